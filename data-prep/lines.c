/* Text files, line by line, with what can be wrong in them. */
#include "prep.h"

#include "base/sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

lt_status prep_lines_open(prep_lines *l, const char *path, lt_sha *hash) {
    struct stat info;
    *l = (prep_lines){.path = path, .hash = hash};
    if (!strcmp(path, "-")) {
        l->path = "standard input";
        l->file = stdin;
        return LT_OK;
    }
    l->file = fopen(path, "rb");
    LT_CHECK(l->file, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK(fstat(fileno(l->file), &info) == 0 && !S_ISDIR(info.st_mode), LT_ERR_IO, "%s is a folder, expected a text file", path);
    return LT_OK;
}

lt_status prep_lines_next(prep_lines *l, bool *more) {
    errno = 0;
    ssize_t n = getline(&l->line, &l->cap, l->file);
    *more = n >= 0;
    if (n < 0) {
        LT_CHECK(!ferror(l->file) && errno != ENOMEM, LT_ERR_IO, "cannot read %s after line %lld: %m", l->path, (long long)l->number);
        return LT_OK;
    }
    if (l->hash) lt_sha_add(l->hash, l->line, (size_t)n);
    l->number++;
    l->bytes = (size_t)n;
    if (l->bytes && l->line[l->bytes - 1] == '\n') l->bytes--;
    if (l->bytes && l->line[l->bytes - 1] == '\r') l->bytes--;
    l->line[l->bytes] = 0;
    if (l->number == 1 && l->bytes >= 3 && !memcmp(l->line, "\xEF\xBB\xBF", 3)) {
        l->bytes -= 3;
        memmove(l->line, l->line + 3, l->bytes + 1);
    }
    return LT_OK;
}

/* Bytes of the UTF-8 character at s, 0 if there is none: shortest forms only, no surrogates, up to U+10FFFF. */
static size_t utf8_length(const unsigned char *s, size_t left) {
    static const struct {
        unsigned char first, last, low, high; /* range of the first byte, and of the second */
        size_t n;
    } form[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (s[0] < 0x80) return 1;
    for (size_t k = 0; k < sizeof form / sizeof *form; k++) {
        if (s[0] < form[k].first || s[0] > form[k].last || form[k].n > left || s[1] < form[k].low || s[1] > form[k].high) continue;
        for (size_t i = 2; i < form[k].n; i++)
            if (s[i] < 0x80 || s[i] > 0xBF) return 0;
        return form[k].n;
    }
    return 0;
}

lt_status prep_lines_check_text(const prep_lines *l) {
    const unsigned char *s = (const unsigned char *)l->line;
    for (size_t at = 0; at < l->bytes;) {
        size_t n = utf8_length(s + at, l->bytes - at);
        LT_CHECK(n > 0, LT_ERR_FORMAT,
                 "%s:%lld: byte %zu of the line (0x%02x) is not UTF-8; convert the file first, for example: iconv -f latin1 -t utf-8",
                 l->path, (long long)l->number, at + 1, s[at]);
        LT_CHECK(s[at] != 0, LT_ERR_FORMAT,
                 "%s:%lld: byte %zu of the line is NUL, expected UTF-8 text; UTF-16 must be converted first: iconv -f utf-16 -t utf-8",
                 l->path, (long long)l->number, at + 1);
        at += n;
    }
    return LT_OK;
}

void prep_lines_close(prep_lines *l) {
    if (l->file && l->file != stdin) fclose(l->file);
    free(l->line);
    *l = (prep_lines){0};
}
