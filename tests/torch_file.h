#pragma once
/* Writes the files of torch.save, good ones, for tests and fuzz harnesses; they damage them afterwards.  Bytes grow in a tf_bytes; pk_* add the opcodes that
 * torch's pickler would. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct tf_bytes {
    unsigned char *p;
    size_t n, cap;
} tf_bytes;

static inline void tf_put(tf_bytes *b, const void *data, size_t n) {
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->p = realloc(b->p, b->cap);
        if (!b->p) exit(1);
    }
    if (n) memcpy(b->p + b->n, data, n);
    b->n += n;
}
static inline void tf_number(tf_bytes *b, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) tf_put(b, &(unsigned char){(unsigned char)(i < 8 ? v >> 8 * i : 0)}, 1);
}
static inline void tf_text(tf_bytes *b, const char *s) { tf_put(b, s, strlen(s)); }
static inline void tf_set(unsigned char *p, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> 8 * i);
}
static inline void tf_free(tf_bytes *b) {
    free(b->p);
    *b = (tf_bytes){0};
}

/* --- pickles -------------------------------------------------------------------------------------------------------------------------- */

static inline void pk_begin(tf_bytes *b) { tf_put(b, "\x80\x02", 2); }
static inline void pk_text(tf_bytes *b, const char *s) {
    tf_text(b, "X");
    tf_number(b, strlen(s), 4);
    tf_text(b, s);
}
static inline void pk_int(tf_bytes *b, int64_t v) {
    if (v >= 0 && v < 256) {
        tf_text(b, "K");
        tf_number(b, (uint64_t)v, 1);
    } else if (v == (int32_t)v) {
        tf_text(b, "J");
        tf_number(b, (uint64_t)v, 4);
    } else {
        tf_put(b, "\x8a\x08", 2);
        tf_number(b, (uint64_t)v, 8);
    }
}
static inline void pk_global(tf_bytes *b, const char *module, const char *name) {
    tf_text(b, "c");
    tf_text(b, module);
    tf_text(b, "\n");
    tf_text(b, name);
    tf_text(b, "\n");
}
static inline void pk_sizes(tf_bytes *b, int n, const int64_t *v) {
    tf_text(b, "(");
    for (int i = 0; i < n; i++) pk_int(b, v[i]);
    tf_text(b, "t");
}

/* A tensor of a state dict, and the storage that it names. */
typedef struct tf_tensor {
    const char *name, *type /* "FloatStorage" */, *key;
    int64_t numel, offset; /* of the storage; in it */
    int n_dims;
    int64_t dim[9], stride[9];
    int64_t view_at, view_numel; /* legacy: a view of the storage, if view_numel is not 0 */
} tf_tensor;

static inline void pk_storage(tf_bytes *b, const tf_tensor *t, int legacy) {
    tf_text(b, "(");
    pk_text(b, "storage");
    pk_global(b, "torch", t->type);
    pk_text(b, t->key);
    pk_text(b, "cpu");
    pk_int(b, t->numel);
    if (legacy && t->view_numel) {
        tf_text(b, "(");
        pk_text(b, "view");
        pk_int(b, t->view_at);
        pk_int(b, t->view_numel);
        tf_text(b, "t");
    } else if (legacy) {
        tf_text(b, "N");
    }
    tf_text(b, "tQ");
}
static inline void pk_tensor(tf_bytes *b, const tf_tensor *t, int legacy) {
    pk_global(b, "torch._utils", "_rebuild_tensor_v2");
    tf_text(b, "(");
    pk_storage(b, t, legacy);
    pk_int(b, t->offset);
    pk_sizes(b, t->n_dims, t->dim);
    pk_sizes(b, t->n_dims, t->stride);
    tf_text(b, "\x89");
    pk_global(b, "collections", "OrderedDict");
    tf_text(b, ")RtR");
}
/* A whole state dict. */
static inline void pk_dict(tf_bytes *b, const tf_tensor *t, int n, int legacy) {
    pk_begin(b);
    tf_text(b, "}(");
    for (int i = 0; i < n; i++) {
        pk_text(b, t[i].name);
        pk_tensor(b, &t[i], legacy);
    }
    tf_text(b, "u.");
}

/* --- the format before zip --------------------------------------------------------------------------------------------------------------- */

static inline void tf_legacy_head(tf_bytes *b) {
    tf_put(b, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20j\xa8P\x19.\x80\x02M\xe9\x03.", 21);
    pk_begin(b);
    tf_text(b, "}");
    pk_text(b, "little_endian");
    tf_text(b, "\x88s.");
}
/* The list of keys, then the storages: element counts and bytes. */
static inline void tf_legacy_keys(tf_bytes *b, const char *const *key, int n) {
    pk_begin(b);
    tf_text(b, "](");
    for (int i = 0; i < n; i++) pk_text(b, key[i]);
    tf_text(b, "e.");
}
static inline void tf_legacy_storage(tf_bytes *b, uint64_t numel, const void *data, size_t bytes) {
    tf_number(b, numel, 8);
    tf_put(b, data, bytes);
}

/* --- zip --------------------------------------------------------------------------------------------------------------------------------- */

typedef struct tf_entry {
    const char *name;
    const void *data;
    size_t bytes;
    size_t local, at, central; /* out: offsets of the local header, the data and the directory's entry */
} tf_entry;
#define TF_ENTRY(n, d, b)                                                                                                                  \
    { .name = (n), .data = (d), .bytes = (b) }
typedef enum tf_zip_style { TF_PLAIN, TF_DESCRIPTORS /* as torch: sizes behind the data */, TF_ZIP64 /* every field wide */ } tf_zip_style;

/* *end: offset of the end record, of the zip64 one with TF_ZIP64. */
static inline void tf_zip(tf_bytes *b, tf_entry *e, int n, tf_zip_style style, size_t *end) {
    unsigned flags = style == TF_DESCRIPTORS ? 0x0808 : 0x0800;
    int wide = style == TF_ZIP64;
    for (int i = 0; i < n; i++) {
        uint32_t crc = (uint32_t)crc32(0, e[i].data, (uInt)e[i].bytes);
        int later = style == TF_DESCRIPTORS;
        e[i].local = b->n;
        tf_put(b, "PK\3\4\0\0", 6);
        tf_number(b, flags, 2);
        tf_number(b, 0, 6); /* method, time, date */
        tf_number(b, later ? 0 : crc, 4);
        for (int k = 0; k < 2; k++) tf_number(b, wide ? 0xFFFFFFFF : later ? 0 : e[i].bytes, 4);
        tf_number(b, strlen(e[i].name), 2);
        tf_number(b, wide ? 20 : 5, 2);
        tf_text(b, e[i].name);
        if (wide) {
            tf_put(b, "\1\0\x10\0", 4);
            for (int k = 0; k < 2; k++) tf_number(b, e[i].bytes, 8);
        } else {
            tf_put(b, "FB\1\0Z", 5); /* torch's filling */
        }
        e[i].at = b->n;
        tf_put(b, e[i].data, e[i].bytes);
        if (later) {
            tf_put(b, "PK\7\10", 4);
            tf_number(b, crc, 4);
            for (int k = 0; k < 2; k++) tf_number(b, e[i].bytes, 4);
        }
    }
    size_t begin = b->n;
    for (int i = 0; i < n; i++) {
        e[i].central = b->n;
        tf_put(b, "PK\1\2\0\0\0\0", 8);
        tf_number(b, flags, 2);
        tf_number(b, 0, 6);
        tf_number(b, crc32(0, e[i].data, (uInt)e[i].bytes), 4);
        for (int k = 0; k < 2; k++) tf_number(b, wide ? 0xFFFFFFFF : e[i].bytes, 4);
        tf_number(b, strlen(e[i].name), 2);
        tf_number(b, wide ? 28 : 0, 2);
        tf_number(b, 0, 10); /* comment, disk, attributes */
        tf_number(b, wide ? 0xFFFFFFFF : e[i].local, 4);
        tf_text(b, e[i].name);
        if (wide) {
            tf_put(b, "\1\0\x18\0", 4);
            for (int k = 0; k < 2; k++) tf_number(b, e[i].bytes, 8);
            tf_number(b, e[i].local, 8);
        }
    }
    size_t bytes = b->n - begin;
    *end = b->n;
    if (wide) {
        tf_put(b, "PK\6\6\x2c\0\0\0\0\0\0\0\0\0\0\0", 16);
        tf_number(b, 0, 8); /* disks */
        for (int k = 0; k < 2; k++) tf_number(b, (uint64_t)n, 8);
        tf_number(b, bytes, 8);
        tf_number(b, begin, 8);
        tf_put(b, "PK\6\7\0\0\0\0", 8);
        tf_number(b, *end, 8);
        tf_number(b, 1, 4);
    }
    tf_put(b, "PK\5\6\0\0\0\0", 8);
    for (int k = 0; k < 2; k++) tf_number(b, wide ? 0xFFFF : (uint64_t)n, 2);
    tf_number(b, wide ? 0xFFFFFFFF : bytes, 4);
    tf_number(b, wide ? 0xFFFFFFFF : begin, 4);
    tf_number(b, 0, 2);
}
