#pragma once
/* Small random models of any shape that lt_arch can say, for tests: the weights, a folder with them in the layout of the family's rows, and the whole
 * forward in f64, one sequence at a time, in plain loops that share nothing with src/.  Differentiate it by differences.
 *
 * One toy at a time.  Weights are made when first asked for, a function of part, layer and index alone, so every rank has the same. */

#include "base/rng.h"
#include "lt_test.h"
#include "model/model_impl.h"

#include <unistd.h>

enum { TOY_PARTS = LT_PARTS, TOY_LAYERS = 4, TOY_ROWS = 32 };

typedef struct toy {
    lt_arch arch;
    lt_family family;
    double *w[TOY_PARTS][TOY_LAYERS][2]; /* logical, [N, K] and bias */
} toy;

/* What goes into one sequence; gradients are differences of functions of these. */
typedef struct toy_adapter {
    int rank; /* 0 = none */
    double scale, dropout;
    double *A[LT_TARGET_COUNT], *B[LT_TARGET_COUNT]; /* [m][R][K], [m][N][R]; NULL = not a target */
} toy_adapter;
typedef struct toy_seq {
    const int32_t *ids;
    int n, segment;
    int prompt_rows, prefix;
    const double *prompt; /* [prompt_rows, C] */
    const double *kv;     /* [m][2][prefix][Hkv][D] */
    const toy_adapter *adapter;
    uint64_t key;
    bool drop; /* dropout is on */
} toy_seq;

/* ---- weights ---- */

static inline void toy_shape(const lt_arch *a, int part, int64_t *N, int64_t *K) {
    int64_t q = (int64_t)a->H * a->D, kv = (int64_t)a->Hkv * a->D;
    *N = *K = a->C;
    switch (part) {
    case LT_PART_TOKENS:
    case LT_PART_HEAD:
        *N = a->V;
        break;
    case LT_PART_POSITIONS:
        *N = a->max_pos + a->pos_offset;
        break;
    case LT_PART_TYPES:
        *N = a->types;
        break;
    case LT_PART_Q:
        *N = q;
        break;
    case LT_PART_K:
    case LT_PART_V:
        *N = kv;
        break;
    case LT_PART_O:
        *K = q;
        break;
    case LT_PART_REL_TABLE:
        *N = 2 * a->relative.span;
        break;
    case LT_PART_POS_K:
    case LT_PART_POS_Q:
        *N = q;
        break;
    case LT_PART_CONV:
        *K = a->C * a->conv_kernel;
        break;
    case LT_PART_GATE:
    case LT_PART_UP:
        *N = a->F;
        break;
    case LT_PART_DOWN:
        *K = a->F;
        break;
    case LT_PART_Q_NORM:
    case LT_PART_K_NORM:
        *N = a->D;
        *K = 1;
        break;
    case LT_PART_POOLER:
        break;
    default: /* norms */
        *K = 1;
    }
}

static inline bool toy_is_norm(int part) {
    return part == LT_PART_EMBED_NORM || part == LT_PART_FINAL_NORM || part == LT_PART_Q_NORM || part == LT_PART_K_NORM ||
           part == LT_PART_REL_NORM || part == LT_PART_CONV_NORM || (part >= LT_PART_NORM && part < LT_NORM_PARTS);
}

/* The numbers of a part as the file has them: [N, K], or its bias [N]. */
static inline const double *toy_get(toy *t, int part, int layer, int bias) {
    double **at = &t->w[part][layer][bias];
    int64_t N, K;
    if (*at) return *at;
    toy_shape(&t->arch, part, &N, &K);
    if (bias) K = 1;
    *at = calloc((size_t)(N * K), sizeof **at);
    lt_rng r = {.seed = 99, .purpose = LT_RNG_TEST, .a = (uint32_t)((part * TOY_LAYERS + layer) * 2 + bias)};
    bool norm = toy_is_norm(part),
         table = part == LT_PART_REL_TABLE || part == LT_PART_TOKENS || part == LT_PART_POSITIONS || part == LT_PART_TYPES;
    double std = bias || norm ? 0.2 : table ? 0.4 : 1.0 / sqrt((double)K), mean = norm && !bias && !t->arch.norm_plus_one ? 1 : 0;
    for (int64_t i = 0; i < N * K; i++) (*at)[i] = rint(512 * (mean + std * lt_rng_normal(&r, (uint64_t)i, 0))) / 512; /* exact in f32 */
    return *at;
}

static inline void toy_free(toy *t) {
    for (int p = 0; p < TOY_PARTS; p++)
        for (int l = 0; l < TOY_LAYERS; l++)
            for (int b = 0; b < 2; b++) free(t->w[p][l][b]);
    memset(t->w, 0, sizeof t->w);
}

/* ---- the folder ---- */

typedef struct toy_writer {
    FILE *data;
    char header[65536];
    size_t at;
    long long offset;
    int kernel; /* not 0: the next [N, K] stands as [N, K / kernel, kernel] */
} toy_writer;

/* Tensor "name.suffix" of [N, K] numbers (K = 0: a vector); turned: written as [K, N]; suffix NULL: none. */
static inline void toy_put(toy_writer *w, const char *name, const char *suffix, const double *x, int64_t N, int64_t K, bool turned) {
    int64_t cols = K ? K : 1, bytes = N * cols * 4;
    w->at += (size_t)snprintf(w->header + w->at, sizeof w->header - w->at, "%s\"%s%s%s\":{\"dtype\":\"F32\",\"shape\":[%lld",
                              w->offset ? "," : "{", name, suffix ? "." : "", suffix ? suffix : "", (long long)(turned ? K : N));
    if (w->kernel)
        w->at += (size_t)snprintf(w->header + w->at, sizeof w->header - w->at, ",%lld,%d", (long long)(K / w->kernel), w->kernel);
    else if (K)
        w->at += (size_t)snprintf(w->header + w->at, sizeof w->header - w->at, ",%lld", (long long)(turned ? N : K));
    w->at += (size_t)snprintf(w->header + w->at, sizeof w->header - w->at, "],\"data_offsets\":[%lld,%lld]}", w->offset, w->offset + bytes);
    w->offset += bytes;
    for (int64_t i = 0; i < N * cols; i++) {
        float v = (float)(turned ? x[i % N * K + i / N] : x[i]);
        CHECK(fwrite(&v, sizeof v, 1, w->data) == 1);
    }
}

/* Which part's which row stands in row i of a tensor that holds several. */
static inline int64_t toy_fused_row(const lt_arch *a, const lt_row *row, int64_t i, int *part) {
    int64_t D = a->D, q = a->H * D, kv = a->Hkv * D, group = a->H / a->Hkv;
    if (row->part == LT_PART_GATE_UP) {
        *part = i < a->F ? LT_PART_GATE : LT_PART_UP;
        return i % a->F;
    }
    if (row->layout == LT_LAYOUT_PLAIN) {
        *part = i < q ? LT_PART_Q : i < q + kv ? LT_PART_K : LT_PART_V;
        return i < q ? i : (i - q) % kv;
    }
    int64_t head = i / D, d = i % D, block = row->layout == LT_LAYOUT_HEADS ? 3 : group + 2, g = head / block, in = head % block;
    *part = in == block - 2 ? LT_PART_K : in == block - 1 ? LT_PART_V : LT_PART_Q;
    return (*part == LT_PART_Q ? g * (block - 2) + in : g) * D + d;
}

static inline int toy_bias_bit(int part) {
    static const int bit[][2] = {{LT_PART_Q, LT_BIAS_Q},       {LT_PART_K, LT_BIAS_K},         {LT_PART_V, LT_BIAS_V},
                                 {LT_PART_O, LT_BIAS_O},       {LT_PART_UP, LT_BIAS_UP},       {LT_PART_GATE, LT_BIAS_GATE},
                                 {LT_PART_DOWN, LT_BIAS_DOWN}, {LT_PART_POS_K, LT_BIAS_POS_K}, {LT_PART_POS_Q, LT_BIAS_POS_Q}};
    for (size_t i = 0; i < sizeof bit / sizeof *bit; i++)
        if (bit[i][0] == part) return bit[i][1];
    return 0;
}

static inline void toy_put_row(toy *t, toy_writer *w, const lt_row *row, int layer) {
    const lt_arch *a = &t->arch;
    char name[128];
    int64_t N, K;
    const char *at = strstr(row->name, "%d");
    int part = row->part;
    if (at)
        (void)snprintf(name, sizeof name, "%.*s%d%s", (int)(at - row->name), row->name, layer, at + 2);
    else
        (void)snprintf(name, sizeof name, "%s", row->name);
    if (part == LT_PART_QKV || part == LT_PART_GATE_UP) {
        double *whole, *bias;
        N = part == LT_PART_QKV ? (int64_t)(a->H + 2 * a->Hkv) * a->D : 2 * a->F;
        K = a->C;
        whole = calloc((size_t)(N * K), sizeof *whole);
        bias = calloc((size_t)N, sizeof *bias);
        for (int64_t i = 0; i < N; i++) {
            int64_t from = toy_fused_row(a, row, i, &part);
            memcpy(whole + i * K, toy_get(t, part, layer, 0) + from * K, (size_t)K * sizeof *whole);
            bias[i] = toy_get(t, part, layer, 1)[from];
        }
        toy_put(w, name, "weight", whole, N, K, row->transposed);
        if (a->biases & toy_bias_bit(part) && !row->bare) toy_put(w, name, "bias", bias, N, 0, false);
        free(whole);
        free(bias);
        return;
    }
    if (part == LT_PART_Q_BIAS || part == LT_PART_V_BIAS) {
        part = part == LT_PART_Q_BIAS ? LT_PART_Q : LT_PART_V;
        toy_shape(a, part, &N, &K);
        toy_put(w, name, NULL, toy_get(t, part, layer, 1), N, 0, false);
        return;
    }
    toy_shape(a, part, &N, &K);
    w->kernel = part == LT_PART_CONV ? a->conv_kernel : 0;
    toy_put(w, name, "weight", toy_get(t, part, layer, 0), N, K > 1 ? K : 0, row->transposed);
    w->kernel = 0;
    bool bias =
        part == LT_PART_POOLER || part == LT_PART_CONV ||
        (toy_is_norm(part) ? a->norm_bias && part != LT_PART_Q_NORM && part != LT_PART_K_NORM : (a->biases & toy_bias_bit(part)) != 0);
    if (bias) toy_put(w, name, "bias", toy_get(t, part, layer, 1), N, 0, false);
}

/* dir/model.safetensors. */
static inline void toy_write(toy *t, const char *dir) {
    char path[256];
    static toy_writer w;
    w = (toy_writer){.data = tmpfile()};
    for (const lt_row *row = t->family.rows; row->part != LT_PART_END; row++)
        for (int l = 0; l < (strstr(row->name, "%d") ? t->arch.m : 1); l++) toy_put_row(t, &w, row, l);
    w.at += (size_t)snprintf(w.header + w.at, sizeof w.header - w.at, "}");
    (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
    FILE *out = fopen(path, "wb");
    uint64_t n = w.at;
    CHECK(out && fwrite(&n, sizeof n, 1, out) == 1 && fwrite(w.header, 1, w.at, out) == w.at);
    rewind(w.data);
    for (int c; out && (c = fgetc(w.data)) != EOF;) (void)fputc(c, out);
    CHECK(out && fclose(out) == 0);
    (void)fclose(w.data);
}

/* ---- the forward ---- */

static inline double toy_act(lt_act act, double x) {
    switch (act) {
    case LT_ACT_GELU_ERF:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case LT_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case LT_ACT_SILU:
        return x / (1 + exp(-x));
    case LT_ACT_RELU:
        return x > 0 ? x : 0;
    default:
        return tanh(x);
    }
}

static inline void toy_norm(toy *t, int part, int layer, lt_norm_kind kind, int64_t rows, int64_t C, const double *x, double *y) {
    const double *w = toy_get(t, part, layer, 0), *b = toy_get(t, part, layer, 1);
    bool head = part == LT_PART_Q_NORM || part == LT_PART_K_NORM;
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; kind == LT_NORM_LAYER && i < C; i++) mean += x[r * C + i] / (double)C;
        for (int64_t i = 0; i < C; i++) var += (x[r * C + i] - mean) * (x[r * C + i] - mean) / (double)C;
        for (int64_t i = 0; i < C; i++)
            y[r * C + i] = (x[r * C + i] - mean) / sqrt(var + (double)t->arch.eps) * (w[i] + (t->arch.norm_plus_one ? 1 : 0)) +
                           (t->arch.norm_bias && !head ? b[i] : 0);
    }
}

/* What of x stays: the definition in ops.h. */
static inline double toy_kept(const toy_seq *s, uint32_t stream, int64_t row, int64_t channel) {
    lt_rng r = {.seed = s->key, .purpose = LT_RNG_DROPOUT, .a = stream};
    uint32_t w[4];
    int64_t half = channel / 16 % 8;
    lt_rng_block(&r, (uint64_t)row, (uint32_t)(channel / 128 * 16 + channel % 16), w);
    return (w[half / 2] >> 16 * (half % 2) & 0xFFFF) >= (uint32_t)(s->adapter->dropout * 0x1p16) ? 1 / (1 - s->adapter->dropout) : 0;
}

/* y [rows, N] = x W^T + bias, and the adapter's share. */
static inline void toy_linear(toy *t, const toy_seq *s, int part, lt_target target, int layer, int64_t rows, const double *x, double *y) {
    int64_t N, K;
    toy_shape(&t->arch, part, &N, &K);
    const double *w = toy_get(t, part, layer, 0), *b = t->arch.biases & toy_bias_bit(part) ? toy_get(t, part, layer, 1) : NULL;
    const toy_adapter *a = s->adapter && s->adapter->rank && s->adapter->A[target] ? s->adapter : NULL;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t n = 0; n < N; n++) {
            double sum = b ? b[n] : 0;
            for (int64_t k = 0; k < K; k++) sum += x[r * K + k] * w[n * K + k];
            y[r * N + n] = sum;
        }
        for (int j = 0; a && j < a->rank; j++) {
            double low = 0;
            for (int64_t k = 0; k < K; k++)
                low += x[r * K + k] * a->A[target][(layer * a->rank + j) * K + k] *
                       (s->drop ? toy_kept(s, (uint32_t)(layer * LT_TARGET_COUNT + (int)target), r, k) : 1);
            for (int64_t n = 0; n < N; n++) y[r * N + n] += a->scale * low * a->B[target][(layer * N + n) * a->rank + j];
        }
    }
}

static inline void toy_rotate(const lt_arch *a, int layer, int64_t rows, int heads, int64_t pos0, double *x) {
    int half = a->rot / 2;
    for (int64_t r = 0; r < rows; r++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < half; i++) {
                double *p = x + (r * heads + h) * a->D + i, *q = p + half;
                double angle = (double)(pos0 + r) * pow(a->rope[a->layer[layer].rope].theta, -2.0 * i / a->rot), c = cos(angle),
                       n = sin(angle);
                double low = *p * c - *q * n, high = *q * c + *p * n;
                *p = low;
                *q = high;
            }
}

/* ALiBi's slope of head h of H (Press et al. 2022). */
static inline double toy_slope(int h, int H) {
    int n = 1;
    while (2 * n <= H) n *= 2;
    return h < n ? pow(2, -8.0 * (h + 1) / n) : pow(2, -4.0 * (2 * (h - n) + 1) / n);
}

/* Row of the table of relative positions. */
static inline int64_t toy_relative_row(const lt_relative *r, int64_t distance) {
    int64_t mid = r->buckets / 2, away = llabs(distance), row = distance;
    if (r->buckets && away > mid) {
        double share = log((double)away / (double)mid) / log((double)(r->max_relative - 1) / (double)mid);
        row = (distance < 0 ? -1 : 1) * ((int64_t)ceil(share * (double)(mid - 1) - 1e-6) + mid);
    }
    row += r->span;
    return row < 0 ? 0 : row < 2 * r->span ? row : 2 * r->span - 1;
}

/* Relative keys (or queries) of a layer: out [2 span][H * D]. */
static inline void toy_relative(toy *t, int layer, bool queries, double *out) {
    const lt_arch *a = &t->arch;
    const lt_relative *r = &a->relative;
    static const toy_seq nothing;
    int part = queries ? (r->shared ? LT_PART_Q : LT_PART_POS_Q) : (r->shared ? LT_PART_K : LT_PART_POS_K);
    double table[32 * 64];
    CHECK(2 * r->span <= 32);
    memcpy(table, toy_get(t, LT_PART_REL_TABLE, 0, 0), (size_t)(2 * r->span * a->C) * sizeof *table);
    if (r->norm) toy_norm(t, LT_PART_REL_NORM, 0, a->norm, 2 * r->span, a->C, table, table);
    toy_linear(t, &nothing, part, queries ? LT_TARGET_Q : LT_TARGET_K, layer, 2 * r->span, table, out); /* adapters leave them alone */
}

static inline void toy_attention(toy *t, const toy_seq *s, int layer, int64_t rows, const double *x, double *y) {
    const lt_arch *a = &t->arch;
    const lt_layer *k = &a->layer[layer];
    int64_t hd = (int64_t)a->H * a->D, kd = (int64_t)a->Hkv * a->D, D = a->D;
    double q[TOY_ROWS * 64], key[TOY_ROWS * 64], v[TOY_ROWS * 64], o[TOY_ROWS * 64];
    CHECK(rows <= TOY_ROWS && hd <= 64 && kd <= 64);
    toy_linear(t, s, LT_PART_Q, LT_TARGET_Q, layer, rows, x, q);
    toy_linear(t, s, LT_PART_K, LT_TARGET_K, layer, rows, x, key);
    toy_linear(t, s, LT_PART_V, LT_TARGET_V, layer, rows, x, v);
    if (a->qk_norm) {
        toy_norm(t, LT_PART_Q_NORM, layer, LT_NORM_RMS, rows * a->H, D, q, q);
        toy_norm(t, LT_PART_K_NORM, layer, LT_NORM_RMS, rows * a->Hkv, D, key, key);
    }
    if (a->positions == LT_POS_ROTARY) {
        toy_rotate(a, layer, rows, a->H, s->prefix, q);
        toy_rotate(a, layer, rows, a->Hkv, s->prefix, key);
    }
    static double pos_k[32 * 64], pos_q[32 * 64];
    if (a->relative.c2p) toy_relative(t, layer, false, pos_k);
    if (a->relative.p2c) toy_relative(t, layer, true, pos_q);
    for (int64_t i = 0; i < rows; i++)
        for (int h = 0; h < a->H; h++) {
            int g = h / (a->H / a->Hkv);
            double p[2 * TOY_ROWS], sum = 0, out[64] = {0};
            for (int64_t j = -s->prefix; j < rows; j++) {
                const double *kj =
                    j < 0 ? s->kv + (((int64_t)layer * 2 * s->prefix + s->prefix + j) * a->Hkv + g) * D : key + j * kd + g * D;
                double dot = 0;
                bool seen = j < 0 || ((!k->causal || j <= i) && (!k->window || llabs(i - j) < k->window));
                for (int64_t d = 0; d < D; d++) dot += q[i * hd + h * D + d] * kj[d];
                int64_t at = j < 0 || !lt_arch_is_relative(a) ? 0 : toy_relative_row(&a->relative, i - j) * hd + h * D;
                for (int64_t d = 0; j >= 0 && d < D; d++) {
                    if (a->relative.c2p) dot += q[i * hd + h * D + d] * pos_k[at + d];
                    if (a->relative.p2c) dot += kj[d] * pos_q[at + d];
                }
                dot *= (double)a->attn_scale;
                if (a->positions == LT_POS_ALIBI) dot += (double)a->alibi_scale * toy_slope(h, a->H) * (double)(j - i);
                sum += p[s->prefix + j] = seen ? exp(dot) : 0;
            }
            for (int64_t j = -s->prefix; j < rows; j++) {
                const double *vj =
                    j < 0 ? s->kv + ((((int64_t)layer * 2 + 1) * s->prefix + s->prefix + j) * a->Hkv + g) * D : v + j * kd + g * D;
                for (int64_t d = 0; d < D; d++) out[d] += p[s->prefix + j] / sum * vj[d];
            }
            memcpy(o + i * hd + h * D, out, (size_t)D * sizeof *o);
        }
    toy_linear(t, s, LT_PART_O, LT_TARGET_O, layer, rows, o, y);
}

static inline void toy_feed_forward(toy *t, const toy_seq *s, int layer, int64_t rows, const double *x, double *y) {
    const lt_arch *a = &t->arch;
    double up[TOY_ROWS * 64], gate[TOY_ROWS * 64];
    CHECK(a->F <= 64);
    toy_linear(t, s, LT_PART_UP, LT_TARGET_UP, layer, rows, x, up);
    if (a->glu) toy_linear(t, s, LT_PART_GATE, LT_TARGET_GATE, layer, rows, x, gate);
    for (int64_t i = 0; i < rows * a->F; i++) up[i] = a->glu ? toy_act(a->act, gate[i]) * up[i] : toy_act(a->act, up[i]);
    toy_linear(t, s, LT_PART_DOWN, LT_TARGET_DOWN, layer, rows, up, y);
}

/* y := norm(y + act(convolution of x)). */
static inline void toy_conv(toy *t, int64_t rows, const double *x, double *y) {
    int64_t C = t->arch.C, k = t->arch.conv_kernel;
    const double *w = toy_get(t, LT_PART_CONV, 0, 0), *b = toy_get(t, LT_PART_CONV, 0, 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < C; n++) {
            double sum = b[n];
            for (int64_t s = 0; s < k; s++)
                for (int64_t c = 0, from = r + s - k / 2; from >= 0 && from < rows && c < C; c++)
                    sum += w[(n * C + c) * k + s] * x[from * C + c];
            y[r * C + n] += toy_act(t->arch.conv_act, sum);
        }
    toy_norm(t, LT_PART_CONV_NORM, 0, t->arch.norm, rows, C, y, y);
}

/* States of layers 0 .. m of one sequence: out [m + 1][rows][C], rows = prompt_rows + n. */
static inline void toy_forward(toy *t, const toy_seq *s, double *out) {
    const lt_arch *a = &t->arch;
    int64_t C = a->C, rows = s->prompt_rows + s->n, size = rows * C;
    double n[TOY_ROWS * 64], body[TOY_ROWS * 64], *x = out;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < C; i++) {
            int64_t at = r - s->prompt_rows;
            x[r * C + i] = at < 0 ? s->prompt[r * C + i] : (double)a->embed_scale * toy_get(t, LT_PART_TOKENS, 0, 0)[s->ids[at] * C + i];
            if (a->positions == LT_POS_TABLE)
                x[r * C + i] += toy_get(t, LT_PART_POSITIONS, 0, 0)[(a->pos_offset + (lt_arch_is_relative(a) ? 0 : s->prefix) + r) * C + i];
            if (a->types) x[r * C + i] += toy_get(t, LT_PART_TYPES, 0, 0)[(at >= s->segment) * C + i];
        }
    if (a->embed_norm) toy_norm(t, LT_PART_EMBED_NORM, 0, a->norm, rows, C, x, x);
    for (int l = 0; l < a->m; l++) {
        double *y = x + size;
        memcpy(y, x, (size_t)size * sizeof *y);
        for (int b = 0; b < 2; b++) {
            const double *from = a->parallel ? x : y;
            memcpy(n, from, (size_t)size * sizeof *n);
            if (a->norms & LT_NORM_IN) toy_norm(t, LT_NORM_PART(a->parallel && a->shared_in ? 0 : b, 0), l, a->norm, rows, C, from, n);
            if (b == 0)
                toy_attention(t, s, l, rows, n, body);
            else
                toy_feed_forward(t, s, l, rows, n, body);
            if (a->norms & LT_NORM_OUT) toy_norm(t, LT_NORM_PART(b, 1), l, a->norm, rows, C, body, body);
            for (int64_t i = 0; i < size; i++) y[i] += body[i];
            if (a->norms & LT_NORM_AFTER) toy_norm(t, LT_NORM_PART(b, 2), l, a->norm, rows, C, y, y);
        }
        if (l == 0 && a->conv_kernel) toy_conv(t, rows, out, y);
        x = y;
    }
    if (a->final_norm) toy_norm(t, LT_PART_FINAL_NORM, 0, a->norm, rows, C, x, x);
}
