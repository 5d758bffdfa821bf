/* Updates of fused matrices put together and taken apart; see peft.h. */
#include "tuner/peft_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lt_named *lt_peft_impl_value(const lt_named *value, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(value[i].name, name)) return &value[i];
    return NULL;
}

lt_status lt_updates_list(const lt_peft *p, lt_update **out, int *n) {
    lt_update *u = NULL;
    lt_status st = LT_OK;
    *n = 0;
    LT_TRY(lt_calloc(&u, LT_TARGET_COUNT, sizeof *u, "updates of matrices"));
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        lt_module module;
        int at = 0;
        if (!(p->cfg->targets >> k & 1)) continue;
        LT_CHECK_GOTO(lt_module_of(p->arch, (lt_target)k, &module), st, done, LT_ERR_CONFIG,
                      "method.targets: the blocks of this model (%s) have no %s", p->arch->model_type, lt_target_words[k]);
        while (at < *n && strcmp(u[at].module.name, module.name) != 0) at++;
        u[at].module = module;
        u[at].parts |= 1u << k;
        u[at].R += p->cfg->rank;
        if (at == *n) ++*n;
    }
    for (int i = 0; i < *n && st == LT_OK; i++) {
        st = lt_calloc(&u[i].A, u[i].R * u[i].module.K, sizeof(float), "updates of matrices");
        if (st == LT_OK) st = lt_calloc(&u[i].B, u[i].module.N * u[i].R, sizeof(float), "updates of matrices");
    }
done:
    if (st == LT_OK)
        *out = u;
    else
        lt_updates_free(u, LT_TARGET_COUNT);
    return st;
}

void lt_updates_free(lt_update *u, int n) {
    for (int i = 0; u && i < n; i++) {
        free(u[i].A);
        free(u[i].B);
    }
    free(u);
}

/* A and B of one target: whole tensors [m, R, K] and [m, N, R]. */
static lt_status pair_of(const lt_peft *p, const lt_named *value, int n, int target, const lt_named **A, const lt_named **B) {
    char name[LT_NAME_BYTES];
    int64_t N, K, R = p->cfg->rank, m = p->arch->m;
    (void)lt_arch_target(p->arch, (lt_target)target, &N, &K);
    lt_tuner_impl_lora_name(name, target, 'A');
    *A = lt_peft_impl_value(value, n, name);
    lt_tuner_impl_lora_name(name, target, 'B');
    *B = lt_peft_impl_value(value, n, name);
    LT_CHECK(*A && *B && (*A)->n_dims == 3 && (*A)->dim[0] == m && (*A)->dim[1] == R && (*A)->dim[2] == K && (*B)->n_dims == 3 &&
                 (*B)->dim[0] == m && (*B)->dim[1] == N && (*B)->dim[2] == R,
             LT_ERR_FORMAT, "the trial has no values lora.*.A [%lld, %lld, %lld] and %s [%lld, %lld, %lld]", (long long)m, (long long)R,
             (long long)K, name, (long long)m, (long long)N, (long long)R);
    return LT_OK;
}

lt_status lt_update_fill(lt_update *u, const lt_peft *p, const lt_named *value, int n, int layer) {
    int64_t r = p->cfg->rank, first = 0;
    memset(u->B, 0, (size_t)(u->module.N * u->R) * sizeof *u->B);
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        const lt_named *A, *B;
        if (!(u->parts >> k & 1)) continue;
        LT_TRY(pair_of(p, value, n, k, &A, &B));
        int64_t K = A->dim[2], N = B->dim[1];
        memcpy(u->A + first * K, A->data + layer * r * K, (size_t)(r * K) * sizeof *u->A);
        for (int64_t i = 0; i < N; i++)
            memcpy(u->B + lt_module_row(p->arch, (lt_target)k, i) * u->R + first, B->data + (layer * N + i) * r, (size_t)r * sizeof *u->B);
        first += r;
    }
    return LT_OK;
}

/* Are columns [from, to) of a target's rows of B [N, R] zero? */
static bool is_zero(const lt_update *u, const lt_arch *a, int target, int64_t R, int64_t from, int64_t to) {
    int64_t N, K;
    (void)lt_arch_target(a, (lt_target)target, &N, &K);
    for (int64_t i = 0; i < N; i++)
        for (int64_t c = from; c < to; c++)
            if (u->B[lt_module_row(a, (lt_target)target, i) * R + c] != 0) return false;
    return true;
}

lt_status lt_peft_impl_take(const lt_update *u, const lt_peft *p, lt_named *value, int n, int layer, int64_t R, const char *name) {
    int64_t r = p->cfg->rank, first = 0;
    bool apart = R == u->R && R != r; /* a block of columns for each part */
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        const lt_named *A, *B;
        if (!(u->module.parts >> k & 1)) continue;
        if (!(u->parts >> k & 1)) {
            LT_CHECK(is_zero(u, p->arch, k, R, 0, R), LT_ERR_CONFIG,
                     "tensor %s also updates %s, which method.targets does not name: add %s to method.targets", name, lt_target_words[k],
                     lt_target_words[k]);
            continue;
        }
        LT_TRY(pair_of(p, value, n, k, &A, &B));
        int64_t K = A->dim[2], N = B->dim[1];
        LT_CHECK(!apart || (is_zero(u, p->arch, k, R, 0, first) && is_zero(u, p->arch, k, R, first + r, R)), LT_ERR_CONFIG,
                 "tensor %s has rank %lld, and its rows of %s use more than a share of it: set method.rank: %lld", name, (long long)R,
                 lt_target_words[k], (long long)R);
        memcpy(A->data + layer * r * K, u->A + first * K, (size_t)(r * K) * sizeof *u->A);
        for (int64_t i = 0; i < N; i++)
            memcpy(B->data + (layer * N + i) * r, u->B + lt_module_row(p->arch, (lt_target)k, i) * R + first, (size_t)r * sizeof *u->B);
        if (apart) first += r;
    }
    return LT_OK;
}
