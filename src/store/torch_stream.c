/* The format of torch.save before torch 1.6, which old folders of the hub still hold: no archive, but one thing after the other.
 *
 *     pickle: magic number | pickle: 1001 | pickle: facts of the machine | pickle: the state dict | pickle: list of keys | storages
 *
 * with a storage    u64 number of elements | elements    for each key, in the order of the list.  Where one begins follows only from the sizes of all
 * before it, which the state dict says as well: both must agree, and the last storage must end where the file does. */
#include "store/torch_impl.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN LT_ST_AGAIN

/* The three pickles before the state dict. */
static lt_status check_head(lt_st_source *src) {
    static const unsigned char magic[] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
    const char *path = src->f->path;
    lt_st_pickle pk = {0};
    lt_status rc = LT_OK;
    for (int i = 0; i < 3; i++) {
        LT_TRY_GOTO(lt_st_impl_unpickle(src, &pk), rc, done);
        const lt_st_value *v = &pk.value[pk.result];
        if (i == 0)
            LT_CHECK_GOTO(v->kind == LT_PK_LONG && v->n == sizeof magic && !memcmp(pk.text + v->at, magic, sizeof magic), rc, done,
                          LT_ERR_FORMAT, "%s is a pickle, but not one of torch.save: it does not begin with torch's magic number", path);
        if (i == 1)
            LT_CHECK_GOTO(v->kind == LT_PK_INT && v->n == 1001, rc, done, LT_ERR_FORMAT, "%s: the protocol of the file is not 1001", path);
        for (int32_t c = i == 2 && v->kind == LT_PK_DICT ? v->at : -1; c >= 0; c = pk.cell[c].next) {
            const lt_st_value *little = &pk.value[pk.cell[c].value];
            if (!lt_st_impl_is_text(&pk, &pk.value[pk.cell[c].key], "little_endian")) continue;
            LT_CHECK_GOTO(little->kind == LT_PK_BOOL && little->n == 1, rc, done, LT_ERR_FORMAT,
                          "%s was written by a big-endian machine, only little-endian files are read", path);
        }
        lt_st_impl_pickle_free(&pk);
    }
done:
    lt_st_impl_pickle_free(&pk);
    return rc;
}

/* Walks the storages behind the list of keys, which says their order; pk is the state dict's pickle. */
static lt_status place_in_stream(lt_st_source *src, const lt_st_pickle *pk) {
    const char *path = src->f->path;
    lt_st_pickle keys = {0};
    lt_st_keyed *by = NULL;
    char shown[80];
    int64_t next;
    lt_status rc = LT_OK;
    LT_TRY_GOTO(lt_st_impl_sort_storages(pk, &by), rc, done);
    LT_TRY_GOTO(lt_st_impl_unpickle(src, &keys), rc, done);
    const lt_st_value *list = &keys.value[keys.result];
    LT_CHECK_GOTO(list->kind == LT_PK_LIST, rc, done, LT_ERR_FORMAT, "%s: no list of storages behind the state dict: it is damaged; " AGAIN,
                  path);
    for (int32_t c = list->at; c >= 0; c = keys.cell[c].next) {
        const lt_st_value *v = &keys.value[keys.cell[c].value];
        lt_st_keyed want = {.key = keys.text ? keys.text + v->at : "", .bytes = v->n};
        LT_CHECK_GOTO(v->kind == LT_PK_TEXT, rc, done, LT_ERR_FORMAT,
                      "%s: the list of storages holds what is no key: it is damaged; " AGAIN, path);
        (void)lt_st_impl_shown(want.key, want.bytes, shown);
        lt_st_keyed *at = pk->n_storages ? bsearch(&want, by, (size_t)pk->n_storages, sizeof want, lt_st_impl_by_key) : NULL;
        LT_CHECK_GOTO(at && at->s->place < 0, rc, done, LT_ERR_FORMAT, "%s: storage %s %s: the file is damaged; " AGAIN, path, shown,
                      at ? "is listed twice" : "belongs to no tensor");
        unsigned char count[8];
        uint64_t n = 0;
        int64_t bytes = lt_st_impl_storage_bytes(at->s);
        LT_CHECK_GOTO(src->end - src->at >= 8, rc, done, LT_ERR_FORMAT, "%s is truncated: it ends at byte %lld, before storage %s; " AGAIN,
                      path, (long long)src->end, shown);
        LT_TRY_GOTO(lt_st_impl_pread(src->st, src->f, count, 8, src->at), rc,
                    done); /* a window of the source would be filled with weights */
        src->at += 8;
        for (int i = 7; i >= 0; i--) n = n << 8 | count[i];
        LT_CHECK_GOTO(n == (uint64_t)at->s->numel, rc, done, LT_ERR_FORMAT,
                      "%s: storage %s at byte %lld has %llu elements, the pickle says %lld: the file is damaged; " AGAIN, path, shown,
                      (long long)src->at, (unsigned long long)n, (long long)at->s->numel);
        LT_CHECK_GOTO(bytes <= src->end - src->at, rc, done, LT_ERR_FORMAT,
                      "%s is truncated: storage %s needs %lld bytes at byte %lld, the file has %lld; " AGAIN, path, shown, (long long)bytes,
                      (long long)src->at, (long long)src->end);
        while (at > by && lt_st_impl_by_key(at - 1, at) == 0) at--;
        lt_st_impl_set_place(by, pk->n_storages, at - by, src->at, &next);
        src->at += bytes;
    }
    for (int64_t i = 0; i < pk->n_storages; i++)
        LT_CHECK_GOTO(by[i].s->place >= 0, rc, done, LT_ERR_FORMAT,
                      "%s: storage %s, which the pickle names, is not in the file: it is damaged; " AGAIN, path,
                      lt_st_impl_shown(by[i].key, by[i].bytes, shown));
    LT_CHECK_GOTO(src->at == src->end, rc, done, LT_ERR_FORMAT, "%s has %lld bytes behind its last storage: it is damaged; " AGAIN, path,
                  (long long)(src->end - src->at));
done:
    free(by);
    lt_st_impl_pickle_free(&keys);
    return rc;
}

lt_status lt_st_impl_add_stream(lt_st *st, int k) {
    lt_st_pickle pk = {0};
    lt_st_source src = {.st = st, .f = &st->file[k], .end = st->file[k].size};
    lt_status rc = LT_OK;
    LT_TRY_GOTO(check_head(&src), rc, done);
    LT_TRY_GOTO(lt_st_impl_unpickle(&src, &pk), rc, done);
    LT_TRY_GOTO(place_in_stream(&src, &pk), rc, done);
    LT_TRY_GOTO(lt_st_impl_add_tensors(st, k, &pk), rc, done);
done:
    free(src.buf);
    lt_st_impl_pickle_free(&pk);
    return rc;
}
