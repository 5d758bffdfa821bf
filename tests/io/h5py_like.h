#pragma once
/* A data set as h5py writes it by default: superblock 0, strings of variable length, a packed dataset, no checksums, no digests. */
#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

static void vlen_attr(hid_t at, const char *key, const char *text) {
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attr = H5Acreate2(at, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attr, type, &text);
    H5Aclose(attr);
    H5Sclose(space);
    H5Tclose(type);
}

static void int_attr(hid_t at, const char *key, int64_t value) {
    hid_t space = H5Screate(H5S_SCALAR), attr = H5Acreate2(at, key, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attr, H5T_NATIVE_INT64, &value);
    H5Aclose(attr);
    H5Sclose(space);
}

static void plain_array(hid_t at, const char *name, hid_t type, hsize_t n, const void *data, bool packed) {
    hid_t space = H5Screate_simple(1, &n, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    if (packed) {
        H5Pset_chunk(how, 1, &(hsize_t){8});
        H5Pset_deflate(how, 4);
    }
    hid_t d = H5Dcreate2(at, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(d);
    H5Pclose(how);
    H5Sclose(space);
}

/* A data set of one split "train": 12 sequences of 5 tokens (100 + i), labels 0 and 1 in turn.  0, or -1. */
static int h5py_like(const char *path, const char *tokenizer_sha256) {
    static const char *const name[] = {"0", "1"}, *const words[] = {"negative", "positive"};
    int32_t tokens[60], label[12];
    int64_t at[13];
    for (int i = 0; i < 60; i++) tokens[i] = 100 + i;
    for (int i = 0; i < 12; i++) label[i] = i % 2;
    for (int i = 0; i < 13; i++) at[i] = 5 * i;
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), text = H5Tcopy(H5T_C_S1);
    if (f < 0) return -1;
    H5Tset_size(text, H5T_VARIABLE);
    H5Tset_cset(text, H5T_CSET_UTF8);
    vlen_attr(f, "kind", "ltune-dataset");
    int_attr(f, "format_version", 1);
    vlen_attr(f, "task", "sst2");
    vlen_attr(f, "command", "make.py");
    vlen_attr(f, "tokenizer_sha256", tokenizer_sha256);
    vlen_attr(f, "source_sha256", "22");
    hid_t g = H5Gcreate2(f, "labels", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    plain_array(g, "name", text, 2, name, false);
    plain_array(g, "words", text, 2, words, false);
    H5Gclose(g);
    H5Gclose(H5Gcreate2(f, "splits", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    g = H5Gcreate2(f, "splits/train", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    plain_array(g, "tokens", H5T_STD_I32LE, 60, tokens, true);
    plain_array(g, "offsets", H5T_STD_I64LE, 13, at, false);
    plain_array(g, "segment_offsets", H5T_STD_I64LE, 13, at, false);
    plain_array(g, "label", H5T_STD_I32LE, 12, label, false);
    H5Gclose(g);
    H5Tclose(text);
    return H5Fclose(f) < 0 ? -1 : 0;
}
