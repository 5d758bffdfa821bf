/* How each product is computed: a cache of the library's algorithms by shape, types and what is added.
 *
 * Asking the library costs tens of microseconds, so it is asked once.  The rows of a pack differ from step to step: a row count stands for those up to an
 * eighth of its power of two below it.
 *
 * A class that was measured has its way.  Another has that of the nearest measured one of the same product, above it where there is one (a way that needs
 * room for more rows has it for fewer); only a product of which nothing was measured is what the library is asked about.  So the way of a call is a
 * function of its key and of what was measured, which all ranks and all starts of a run share: a call gets the same bits whatever was computed before it. */
#include "kernels/cuda/products_impl.h"

#include <new>
#include <stdlib.h>
#include <string.h>

namespace LT_GPU_SPACE {

enum { PRODUCT_ROOM = 4096, MOST_PRODUCTS = PRODUCT_ROOM * 3 / 4 /* beyond it the library is asked each time */, FEW_ROWS = 16 };

lt_status products_of(state *s, products **p) {
    if (!s->products) {
        products *made = new (std::nothrow) products();
        LT_CHECK(made, LT_ERR_NOMEM, "cannot allocate the table of products");
        made->entry = static_cast<product_entry *>(calloc(PRODUCT_ROOM, sizeof *made->entry));
        s->products = made;
        LT_CHECK(made->entry, LT_ERR_NOMEM, "cannot allocate the table of products");
    }
    *p = static_cast<products *>(s->products);
    return LT_OK;
}

void products_fini(state *s) {
    products *p = static_cast<products *>(s->products);
    if (!p) return;
    free(p->entry);
    delete p;
    s->products = nullptr;
}

/* Up to a multiple of an eighth of the power of two; few rows are one class, so that a row of generation has the same bits in every company. */
static int64_t row_class(int64_t rows) {
    int64_t step = 1;
    if (rows <= FEW_ROWS) return FEW_ROWS;
    while (step * 16 <= rows) step *= 2;
    return div_up(rows, step) * step;
}

/* g as the cache sees it. */
static lt_gpu_gemm product_class(const lt_gpu_gemm &g) {
    lt_gpu_gemm q = g;
    if (!g.ta) q.M = row_class(g.M); /* a turned A has M columns, which its stride bounds */
    return q;
}

static uint8_t alignment(const void *p) {
    uint8_t a = 16;
    while (a > 1 && reinterpret_cast<uintptr_t>(p) % a) a = (uint8_t)(a / 2);
    return a;
}

static product_key key_of(const lt_gpu_gemm &g) {
    product_key k;
    const void *const at[] = {g.A, g.B, g.C, g.D};
    memset(&k, 0, sizeof k);
    k.M = g.M, k.N = g.N, k.K = g.K;
    k.lda = g.lda, k.ldb = g.ldb, k.ldc = g.C ? g.ldc : 0, k.ldd = g.ldd;
    k.ta = g.ta, k.tb = g.tb, k.ab_dt = (uint8_t)g.ab_dt, k.cd_dt = (uint8_t)g.cd_dt;
    k.adds = g.beta != 0, k.bias = g.bias != nullptr, k.in_place = g.C && g.C == g.D, k.scaled = g.a_scale != nullptr;
    for (int i = 0; i < 4; i++) k.aligned[i] = alignment(at[i]);
    return k;
}

/* FNV-1a over the key. */
static uint64_t hash(const product_key &k) {
    const unsigned char *b = reinterpret_cast<const unsigned char *>(&k);
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < sizeof k; i++) h = (h ^ b[i]) * 1099511628211u;
    return h;
}

/* The entry of k, or the free one where it belongs. */
static product_entry *place(products *p, const product_key &k) {
    size_t at = (size_t)(hash(k) % PRODUCT_ROOM);
    while (p->entry[at].key.M && memcmp(&p->entry[at].key, &k, sizeof k) != 0) at = (at + 1) % PRODUCT_ROOM;
    return &p->entry[at];
}

/* The measured entry whose way serves k: of the same product, with the fewest rows that are not fewer, else with the most; NULL: none. */
static const product_entry *nearest(const products *p, const product_key &k) {
    const product_entry *best = nullptr;
    for (int64_t i = 0; i < PRODUCT_ROOM && !k.ta; i++) {
        const product_entry *e = &p->entry[i];
        product_key same = k;
        same.M = e->key.M;
        if (!e->key.M || !e->tuned || memcmp(&same, &e->key, sizeof same) != 0) continue;
        bool above = e->key.M >= k.M, was = best && best->key.M >= k.M;
        if (!best || (above ? !was || e->key.M < best->key.M : !was && e->key.M > best->key.M)) best = e;
    }
    return best;
}

lt_status product_find(state *s, const lt_gpu_gemm &g, product_entry **e) {
    products *p;
    LT_TRY(products_of(s, &p));
    lt_gpu_gemm asked = product_class(g);
    product_key k = key_of(asked);
    int n = 0;
    *e = place(p, k);
    if ((*e)->key.M) return LT_OK;
    if (p->n >= MOST_PRODUCTS) {
        *e = nullptr;
        return LT_OK;
    }
    if (const product_entry *like = nearest(p, k))
        (*e)->algo = like->algo;
    else
        LT_TRY(s->gpu->gemm_algos(&asked, true, &(*e)->algo, 1, &n));
    (*e)->key = k;
    p->n++;
    return LT_OK;
}

lt_status product(const lt_ctx *c, const lt_gpu_gemm &g) {
    state *s = state_of(c);
    product_entry *e;
    LT_TRY(product_find(s, g, &e));
    return s->gpu->gemm(s->stream, &g, e ? &e->algo : nullptr, s->product_ws);
}

/* ---- what was measured, as bytes ---- */

/* Choices are worth something on one kind of GPU under one version of the library. */
struct choices_head {
    char table[16], gpu[64];
    int32_t major, minor, sms, blas;
    int64_t n;
};

static choices_head head_of(const state *s, int64_t n) {
    choices_head h;
    memset(&h, 0, sizeof h);
    memcpy(h.table, LT_GPU_NAME, sizeof LT_GPU_NAME);
    memcpy(h.gpu, s->info.name, sizeof h.gpu);
    h.major = s->info.major, h.minor = s->info.minor, h.sms = s->info.sms, h.blas = s->info.blas;
    h.n = n;
    return h;
}

lt_status choices(const lt_ctx *c, void *bytes, size_t cap, size_t *n) {
    state *s = state_of(c);
    products *p;
    int64_t found = 0;
    LT_TRY(products_of(s, &p));
    for (int64_t i = 0; i < PRODUCT_ROOM; i++) found += p->entry[i].key.M && p->entry[i].tuned;
    *n = sizeof(choices_head) + (size_t)found * sizeof(product_entry);
    if (!bytes) return LT_OK;
    LT_ASSERT(cap >= *n);
    choices_head h = head_of(s, found);
    unsigned char *to = static_cast<unsigned char *>(bytes);
    memcpy(to, &h, sizeof h);
    to += sizeof h;
    for (int64_t i = 0; i < PRODUCT_ROOM; i++)
        if (p->entry[i].key.M && p->entry[i].tuned) {
            memcpy(to, &p->entry[i], sizeof(product_entry));
            to += sizeof(product_entry);
        }
    return LT_OK;
}

lt_status choose(const lt_ctx *c, const void *bytes, size_t n, bool *taken) {
    state *s = state_of(c);
    products *p;
    choices_head h, mine;
    product_entry e;
    *taken = false;
    LT_TRY(products_of(s, &p));
    LT_CHECK(n >= sizeof h, LT_ERR_FORMAT, "choices of products: %zu bytes are too few", n);
    memcpy(&h, bytes, sizeof h);
    mine = head_of(s, h.n);
    if (memcmp(&h, &mine, sizeof h) != 0) return LT_OK;
    LT_CHECK(h.n >= 0 && h.n <= MOST_PRODUCTS && n == sizeof h + (size_t)h.n * sizeof e, LT_ERR_FORMAT,
             "choices of products: %lld in %zu bytes", (long long)h.n, n);
    for (int64_t i = 0; i < h.n; i++) {
        memcpy(&e, static_cast<const unsigned char *>(bytes) + sizeof h + (size_t)i * sizeof e, sizeof e);
        LT_CHECK(e.key.M > 0 && e.tuned == 1, LT_ERR_FORMAT, "choices of products: entry %lld is damaged", (long long)i);
        product_entry *to = place(p, e.key);
        if (!to->key.M && p->n >= MOST_PRODUCTS) continue;
        p->n += !to->key.M;
        *to = e;
    }
    *taken = true;
    return LT_OK;
}

} // namespace LT_GPU_SPACE
