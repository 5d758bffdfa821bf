#pragma once
/* Private to check: one side of a comparison, a ctx with the arrays of one case.
 *
 * A case is a function that makes its arrays on a side and calls one op there.  It runs on ref and twice on the back end under test; the arrays of a case have
 * the same numbers on every side, because the n-th array's are a function of n.  Arrays come from the table's alloc() and are never touched by the host:
 * what an op may write (lt_side_out) is copied back for the comparison, between rims that must be whole.
 *
 * Failures are kept in the side (the first wins), so that a case reads as its calls. */

#include "kernels/ops.h"

enum { LT_SIDE_ARRAYS = 32, LT_SIDE_RIM = 256, LT_SIDE_RIM_BYTE = 0xA5 };

typedef struct lt_side_array {
    unsigned char *raw;  /* device: rim, array, rim */
    unsigned char *host; /* of an output, after lt_side_collect: the same bytes */
    int64_t n;
    lt_dtype dt;
    const char *tol; /* NULL: not an output; "": the same bits as ref's; else the operation in kernels/tol.h */
} lt_side_array;

typedef struct lt_side {
    const lt_ctx *ctx;
    lt_dtype dt; /* of activations */
    int shape;   /* 0, 1, ...: which shapes of the case */
    bool wrong;  /* a check of the checks: the first output goes wrong */
    lt_status st;
    int n;
    lt_side_array array[LT_SIDE_ARRAYS];
    lt_lin lin;
    lt_arena weights;
} lt_side;

/* Local.  Input of n normal numbers times scale. */
lt_arr lt_side_in(lt_side *s, int64_t n, lt_dtype dt, double scale);
/* Local.  Input of n normal numbers in f32 that bf16 has too. */
lt_arr lt_side_in_rounded(lt_side *s, int64_t n);
/* Local.  As lt_side_in, compared when the op has run; what an op leaves alone must stay. */
lt_arr lt_side_out(lt_side *s, const char *tol, int64_t n, lt_dtype dt, double scale);
/* Local.  Input or output with given content. */
void *lt_side_put(lt_side *s, const void *host, size_t bytes);
lt_arr lt_side_put_out(lt_side *s, const char *tol, const void *host, int64_t n, lt_dtype dt);
/* Local.  The side's frozen layer [N, K] of random weights in the ctx's compute type; with_bias: and a bias. */
lt_lin *lt_side_layer(lt_side *s, int64_t N, int64_t K, bool with_bias);
/* Local.  Keeps the first failure. */
void lt_side_did(lt_side *s, lt_status st);
/* Local.  Waits and brings the outputs to the host; rims are looked at.  Errors: those of the side; INTERNAL (something was written beside an array). */
lt_status lt_side_collect(lt_side *s);
/* Local.  Frees all; accepts a zeroed side. */
void lt_side_fini(lt_side *s);
/* Local.  Element i of an array of the host. */
double lt_side_get(const void *p, lt_dtype dt, int64_t i);

/* A case: makes arrays and calls its op; false: there are no shapes of this number. */
typedef bool lt_check_case(lt_side *s);
/* Local.  One for every entry of a step. */
#define LT_CHECK_CASE(name, args) lt_check_case lt_check_impl_##name;
LT_OPS_LIST(LT_CHECK_CASE)
#undef LT_CHECK_CASE
/* Local.  Sizes of the attention case's shapes, for the workspace; false: there are none of this number. */
bool lt_check_impl_attn_dims(int shape, lt_dims *d);
/* Calls an entry of the table on a side. */
#define LT_SIDE_CALL(s, name, ...) lt_side_did((s), (s)->st != LT_OK ? (s)->st : (s)->ctx->ops->name((s)->ctx, __VA_ARGS__))
