/* The directory of a zip archive as torch.save writes it: where each entry's bytes lie.
 *
 *     [local header | data]...  central directory  [zip64 end, zip64 locator]  end
 *
 * Only stored entries are taken: weights are read by range, which compressed ones do not allow, and torch never compresses.  Central directory and
 * local headers say everything twice; where they differ, two programs would read different weights from one file, so this one reads none.  A local
 * header may leave sizes and CRC to the descriptor behind the data (bit 3 of the flags), and torch's do.
 *
 * Format: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3. */
#include "store/torch_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define AGAIN LT_ST_AGAIN

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    MAX_DIRECTORY = 64 << 20, /* a million entries: a file of weights has some thousands */
    ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13,
    HAS_DESCRIPTOR = 1 << 3
};
static const uint64_t none32 = 0xFFFFFFFFu; /* stands in a 32-bit field whose value is in the zip64 extra */

static uint64_t number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

typedef struct lt_directory {
    int64_t at, bytes, entries;
} lt_directory;

/* The fields that zip64 widens, and the disk. */
typedef struct lt_sizes {
    uint64_t plain, packed, local, disk;
} lt_sizes;

/* Replaces the fields that hold only ones by those of the zip64 extra, which has just them, in this order.  *wide: there was one. */
static bool widen(const unsigned char *extra, int64_t n, lt_sizes *s, bool *wide) {
    uint64_t *field[] = {&s->plain, &s->packed, &s->local};
    bool missing = s->plain == none32 || s->packed == none32 || s->local == none32 || s->disk == 0xFFFF;
    *wide = false;
    while (n >= 4) {
        int64_t id = (int64_t)number(extra, 2), bytes = (int64_t)number(extra + 2, 2), at = 4;
        if (bytes > n - 4) return false;
        if (id == 1) {
            *wide = true;
            for (int i = 0; i < 3; i++) {
                if (*field[i] != none32) continue;
                if (at + 8 > 4 + bytes) return false;
                *field[i] = number(extra + at, 8);
                at += 8;
            }
            if (s->disk == 0xFFFF) {
                if (at + 4 > 4 + bytes) return false;
                s->disk = number(extra + at, 4);
            }
            return true;
        }
        extra += 4 + bytes;
        n -= 4 + bytes;
    }
    return !missing;
}

/* --- the end of the archive ------------------------------------------------------------------------------------------------------------- */

static lt_status read_end64(lt_st *st, const lt_st_file *f, int64_t end, lt_directory *d) {
    unsigned char locator[LOCATOR_BYTES], e[END64_BYTES];
    const lt_directory narrow = *d;
    if (end < LOCATOR_BYTES) return LT_OK;
    LT_TRY(lt_st_impl_pread(st, f, locator, sizeof locator, end - LOCATOR_BYTES));
    if (number(locator, 4) != 0x07064B50) return LT_OK;
    uint64_t at = number(locator + 8, 8);
    LT_CHECK(number(locator + 4, 4) == 0 && number(locator + 16, 4) <= 1, LT_ERR_FORMAT, "%s is one part of a zip archive on several disks",
             f->path);
    LT_CHECK(end - LOCATOR_BYTES >= END64_BYTES && at <= (uint64_t)(end - LOCATOR_BYTES - END64_BYTES), LT_ERR_FORMAT,
             "%s: the zip64 end record is said to lie at byte %llu, outside the file: " AGAIN, f->path, (unsigned long long)at);
    LT_TRY(lt_st_impl_pread(st, f, e, sizeof e, (int64_t)at));
    LT_CHECK(number(e, 4) == 0x06064B50, LT_ERR_FORMAT, "%s: no zip64 end record at byte %llu: " AGAIN, f->path, (unsigned long long)at);
    LT_CHECK(number(e + 16, 4) == 0 && number(e + 20, 4) == 0 && number(e + 24, 8) == number(e + 32, 8), LT_ERR_FORMAT,
             "%s is one part of a zip archive on several disks", f->path);
    uint64_t entries = number(e + 32, 8), bytes = number(e + 40, 8), begin = number(e + 48, 8);
    LT_CHECK((narrow.entries == 0xFFFF || (uint64_t)narrow.entries == entries) &&
                 ((uint64_t)narrow.bytes == none32 || (uint64_t)narrow.bytes == bytes) &&
                 ((uint64_t)narrow.at == none32 || (uint64_t)narrow.at == begin),
             LT_ERR_FORMAT, "%s: the two end records of the zip archive contradict each other: " AGAIN, f->path);
    LT_CHECK(begin <= at && bytes <= at - begin, LT_ERR_FORMAT,
             "%s: the zip directory is said to be bytes [%llu, +%llu), past its end record at %llu: " AGAIN, f->path,
             (unsigned long long)begin, (unsigned long long)bytes, (unsigned long long)at);
    LT_CHECK(entries <= bytes, LT_ERR_FORMAT, "%s: %llu entries do not fit into a zip directory of %llu bytes: " AGAIN, f->path,
             (unsigned long long)entries, (unsigned long long)bytes);
    *d = (lt_directory){.at = (int64_t)begin, .bytes = (int64_t)bytes, .entries = (int64_t)entries};
    return LT_OK;
}

/* The end record, if it is among the last n bytes: the last one whose comment reaches just to the end of the file.  *end stays as it is without one. */
static lt_status look_for_end(lt_st *st, const lt_st_file *f, int64_t n, int64_t *end, unsigned char record[END_BYTES]) {
    unsigned char *tail = NULL;
    int64_t at = n - END_BYTES;
    lt_status rc = LT_OK;
    if (at < 0) return LT_OK;
    LT_TRY(lt_calloc(&tail, n, 1, "the end of a zip archive"));
    LT_TRY_GOTO(lt_st_impl_pread(st, f, tail, n, f->size - n), rc, done);
    while (at >= 0 && !(number(tail + at, 4) == 0x06054B50 && at + END_BYTES + (int64_t)number(tail + at + 20, 2) == n)) at--;
    if (at < 0) goto done;
    *end = f->size - n + at;
    memcpy(record, tail + at, END_BYTES);
done:
    free(tail);
    return rc;
}

static lt_status find_directory(lt_st *st, const lt_st_file *f, lt_directory *d) {
    unsigned char e[END_BYTES] = {0};
    int64_t end = -1;
    LT_TRY(look_for_end(st, f, f->size < END_BYTES ? f->size : END_BYTES, &end, e)); /* torch leaves no comment */
    if (end < 0) LT_TRY(look_for_end(st, f, f->size < END_BYTES + MAX_COMMENT ? f->size : END_BYTES + MAX_COMMENT, &end, e));
    LT_CHECK(end >= 0, LT_ERR_FORMAT, "%s begins as a zip archive, but has no end record: it is truncated; " AGAIN, f->path);
    LT_CHECK((number(e + 4, 2) == 0 || number(e + 4, 2) == 0xFFFF) && (number(e + 6, 2) == 0 || number(e + 6, 2) == 0xFFFF) &&
                 number(e + 8, 2) == number(e + 10, 2),
             LT_ERR_FORMAT, "%s is one part of a zip archive on several disks", f->path);
    *d = (lt_directory){.at = (int64_t)number(e + 16, 4), .bytes = (int64_t)number(e + 12, 4), .entries = (int64_t)number(e + 10, 2)};
    LT_TRY(read_end64(st, f, end, d));
    LT_CHECK(d->at <= end && d->bytes <= end - d->at, LT_ERR_FORMAT,
             "%s: the zip directory is said to be bytes [%lld, +%lld), past its end record at %lld: " AGAIN, f->path, (long long)d->at,
             (long long)d->bytes, (long long)end);
    LT_CHECK(d->bytes <= MAX_DIRECTORY, LT_ERR_FORMAT, "%s: the zip directory has %lld bytes, at most %d are read", f->path,
             (long long)d->bytes, MAX_DIRECTORY);
    LT_CHECK(d->entries <= d->bytes / CENTRAL_BYTES, LT_ERR_FORMAT,
             "%s: %lld entries do not fit into a zip directory of %lld bytes: " AGAIN, f->path, (long long)d->entries, (long long)d->bytes);
    return LT_OK;
}

/* --- entries ---------------------------------------------------------------------------------------------------------------------------- */

/* Holds the local header of e against what the directory says, and sets e->data. */
static lt_status check_local(lt_st *st, const lt_st_file *f, const lt_directory *d, unsigned flags, const char *shown, lt_st_entry *e) {
    unsigned char h[LOCAL_BYTES], *rest = NULL;
    lt_status rc = LT_OK;
    bool wide;
    LT_CHECK(e->local <= d->at - LOCAL_BYTES, LT_ERR_FORMAT, "%s: zip entry %s is said to begin at byte %lld, outside the file: " AGAIN,
             f->path, shown, (long long)e->local);
    LT_TRY(lt_st_impl_pread(st, f, h, sizeof h, e->local));
    LT_CHECK(number(h, 4) == 0x04034B50, LT_ERR_FORMAT, "%s: zip entry %s has no header at byte %lld: " AGAIN, f->path, shown,
             (long long)e->local);
    int64_t name_n = (int64_t)number(h + 26, 2), extra_n = (int64_t)number(h + 28, 2), most = d->at - LOCAL_BYTES - e->local;
    LT_CHECK(name_n + extra_n <= most && e->bytes <= most - name_n - extra_n, LT_ERR_FORMAT,
             "%s: zip entry %s of %lld bytes at byte %lld reaches into the directory at byte %lld: " AGAIN, f->path, shown,
             (long long)e->bytes, (long long)e->local, (long long)d->at);
    LT_TRY(lt_calloc(&rest, name_n + extra_n, 1, "a zip header"));
    LT_TRY_GOTO(lt_st_impl_pread(st, f, rest, name_n + extra_n, e->local + LOCAL_BYTES), rc, done);
    lt_sizes s = {.plain = number(h + 22, 4), .packed = number(h + 18, 4)};
    bool fits = widen(rest + name_n, extra_n, &s, &wide), later = flags & HAS_DESCRIPTOR;
    uint64_t crc = number(h + 14, 4), bytes = (uint64_t)e->bytes;
    LT_CHECK_GOTO(
        fits && number(h + 6, 2) == flags && number(h + 8, 2) == 0 && name_n == (int64_t)strlen(e->name) &&
            !memcmp(rest, e->name, (size_t)name_n) && (s.plain == bytes || (later && s.plain == 0)) &&
            (s.packed == bytes || (later && s.packed == 0)) && (crc == e->crc || (later && crc == 0)),
        rc, done, LT_ERR_FORMAT,
        "%s: the header of zip entry %s at byte %lld (method %llu, %llu bytes) contradicts the directory (stored, %lld bytes): " AGAIN,
        f->path, shown, (long long)e->local, (unsigned long long)number(h + 8, 2), (unsigned long long)s.plain, (long long)e->bytes);
    e->data = e->local + LOCAL_BYTES + name_n + extra_n;
done:
    free(rest);
    return rc;
}

/* The entry at p of a directory whose end is n bytes on; *used: its bytes. */
static lt_status read_entry(lt_st *st, const lt_st_file *f, const lt_directory *d, const unsigned char *p, int64_t n, char *name,
                            lt_st_entry *e, int64_t *used) {
    char shown[80];
    bool wide;
    LT_CHECK(n >= CENTRAL_BYTES && number(p, 4) == 0x02014B50, LT_ERR_FORMAT,
             "%s: the zip directory at byte %lld ends before its %lld entries do: " AGAIN, f->path, (long long)d->at,
             (long long)d->entries);
    unsigned flags = (unsigned)number(p + 8, 2), method = (unsigned)number(p + 10, 2);
    int64_t name_n = (int64_t)number(p + 28, 2), extra_n = (int64_t)number(p + 30, 2),
            all = CENTRAL_BYTES + name_n + extra_n + (int64_t)number(p + 32, 2);
    LT_CHECK(all <= n, LT_ERR_FORMAT, "%s: an entry of the zip directory at byte %lld reaches past its end: " AGAIN, f->path,
             (long long)d->at);
    const unsigned char *text = p + CENTRAL_BYTES;
    (void)lt_st_impl_shown(text, name_n, shown);
    LT_CHECK(name_n > 0 && !memchr(text, 0, (size_t)name_n), LT_ERR_FORMAT,
             "%s: a zip entry has the name \"%s\", empty or with a zero byte", f->path, shown);
    LT_CHECK(!(flags & ENCRYPTED), LT_ERR_FORMAT, "%s: zip entry %s is encrypted", f->path, shown);
    LT_CHECK(method == 0, LT_ERR_FORMAT,
             "%s: zip entry %s is compressed (method %u), torch stores its entries: the archive was made again by another program; unpack "
             "it and pack "
             "it with zip -0, or save the weights again",
             f->path, shown, method);
    lt_sizes s = {.plain = number(p + 24, 4), .packed = number(p + 20, 4), .local = number(p + 42, 4), .disk = number(p + 34, 2)};
    LT_CHECK(widen(text + name_n, extra_n, &s, &wide), LT_ERR_FORMAT, "%s: zip entry %s has a damaged zip64 field: " AGAIN, f->path, shown);
    LT_CHECK(s.disk == 0, LT_ERR_FORMAT, "%s: zip entry %s lies on another disk of the archive", f->path, shown);
    LT_CHECK(s.plain == s.packed, LT_ERR_FORMAT, "%s: zip entry %s is stored, but has %llu bytes in the archive and %llu outside: " AGAIN,
             f->path, shown, (unsigned long long)s.packed, (unsigned long long)s.plain);
    LT_CHECK(s.local <= (uint64_t)d->at && s.plain <= (uint64_t)d->at, LT_ERR_FORMAT,
             "%s: zip entry %s of %llu bytes at byte %llu lies outside the file: " AGAIN, f->path, shown, (unsigned long long)s.plain,
             (unsigned long long)s.local);
    memcpy(name, text, (size_t)name_n);
    name[name_n] = 0;
    *e = (lt_st_entry){.name = name, .local = (int64_t)s.local, .bytes = (int64_t)s.plain, .crc = (uint32_t)number(p + 16, 4)};
    *used = all;
    return check_local(st, f, d, flags, shown, e);
}

static int by_place(const void *a, const void *b) {
    const lt_st_entry *x = a, *y = b;
    return (x->local > y->local) - (x->local < y->local);
}
static int by_name(const void *a, const void *b) { return strcmp(((const lt_st_entry *)a)->name, ((const lt_st_entry *)b)->name); }

static lt_status check_entries(const lt_st_file *f, lt_st_zip *zip) {
    char a[80], b[80];
    if (zip->n == 0) return LT_OK;
    qsort(zip->entry, (size_t)zip->n, sizeof *zip->entry, by_place);
    for (int64_t i = 1; i < zip->n; i++) {
        const lt_st_entry *x = &zip->entry[i - 1], *y = &zip->entry[i];
        LT_CHECK(y->local >= x->data + x->bytes, LT_ERR_FORMAT,
                 "%s: zip entries %s and %s overlap: the archive is damaged or made to deceive", f->path,
                 lt_st_impl_shown(x->name, (int64_t)strlen(x->name), a), lt_st_impl_shown(y->name, (int64_t)strlen(y->name), b));
    }
    qsort(zip->entry, (size_t)zip->n, sizeof *zip->entry, by_name);
    for (int64_t i = 1; i < zip->n; i++)
        LT_CHECK(strcmp(zip->entry[i].name, zip->entry[i - 1].name) != 0, LT_ERR_FORMAT,
                 "%s: the zip archive has two entries of the name %s", f->path,
                 lt_st_impl_shown(zip->entry[i].name, (int64_t)strlen(zip->entry[i].name), a));
    return LT_OK;
}

lt_status lt_st_impl_zip_open(lt_st *st, const lt_st_file *f, lt_st_zip *zip) {
    lt_directory d = {0};
    unsigned char *dir = NULL;
    int64_t at = 0, used = 0, text = 0, total = 0;
    lt_status rc = LT_OK;
    LT_TRY(find_directory(st, f, &d));
    LT_TRY(lt_calloc(&dir, d.bytes, 1, "a zip directory"));
    LT_TRY_GOTO(lt_st_impl_pread(st, f, dir, d.bytes, d.at), rc, done);
    LT_TRY_GOTO(lt_calloc(&zip->entry, d.entries, sizeof *zip->entry, "zip entries"), rc, done);
    LT_TRY_GOTO(lt_calloc(&zip->names, d.bytes, 1, "names of zip entries"), rc,
                done); /* headers are longer than the NULs behind the names */
    for (; zip->n < d.entries; zip->n++) {
        lt_st_entry *e = &zip->entry[zip->n];
        LT_TRY_GOTO(read_entry(st, f, &d, dir + at, d.bytes - at, zip->names + text, e, &used), rc, done);
        text += (int64_t)strlen(e->name) + 1;
        at += used;
        /* Seen here as well as below, so that the time that headers take is bounded by the size of the file. */
        total += e->data - e->local + e->bytes;
        LT_CHECK_GOTO(total <= d.at, rc, done, LT_ERR_FORMAT, "%s: zip entries overlap: they claim more bytes than the archive has",
                      f->path);
    }
    LT_CHECK_GOTO(at == d.bytes, rc, done, LT_ERR_FORMAT, "%s: the zip directory has %lld bytes behind its %lld entries: " AGAIN, f->path,
                  (long long)(d.bytes - at), (long long)d.entries);
    LT_TRY_GOTO(check_entries(f, zip), rc, done);
done:
    free(dir);
    return rc;
}

void lt_st_impl_zip_close(lt_st_zip *zip) {
    free(zip->entry);
    free(zip->names);
    *zip = (lt_st_zip){0};
}

const lt_st_entry *lt_st_impl_zip_find(const lt_st_zip *zip, const char *name) {
    lt_st_entry key = {.name = name};
    return zip->n ? bsearch(&key, zip->entry, (size_t)zip->n, sizeof key, by_name) : NULL;
}

lt_status lt_st_impl_zip_check_crc(lt_st *st, const lt_st_file *f, const lt_st_entry *e) {
    unsigned char piece[16384];
    uLong crc = crc32(0, NULL, 0);
    for (int64_t at = 0; at < e->bytes; at += (int64_t)sizeof piece) {
        int64_t n = e->bytes - at < (int64_t)sizeof piece ? e->bytes - at : (int64_t)sizeof piece;
        LT_TRY(lt_st_impl_pread(st, f, piece, n, e->data + at));
        crc = crc32(crc, piece, (uInt)n);
    }
    LT_CHECK(crc == e->crc, LT_ERR_FORMAT,
             "%s: the content of zip entry %s has CRC %08lx, the directory says %08x: the file is damaged; " AGAIN, f->path, e->name,
             (unsigned long)crc, e->crc);
    return LT_OK;
}
