/* `ltune-prep tokenize`: text to ids and back, one line each. */
#include "prep.h"

#include "text/tokenizer.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct options {
    bool json, special;
} options;

/* A line that is a JSON string, or an array of two strings. */
static lt_status encode_json(const lt_tok *tok, const prep_lines *l, bool special, lt_ids *ids) {
    json_error_t e;
    bool cut;
    int64_t segment;
    size_t n, m;
    json_t *v = json_loadb(l->line, l->bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    const json_t *a = json_is_array(v) ? json_array_get(v, 0) : v, *b = json_is_array(v) ? json_array_get(v, 1) : NULL;
    const char *one = json_string_value(a), *two = json_string_value(b);
    lt_status st = LT_OK;
    n = json_string_length(a);
    m = json_string_length(b);
    if (!v)
        st = LT_FAIL(LT_ERR_FORMAT, "%s:%lld: not JSON: %s", l->path, (long long)l->number, e.text);
    else if (!one || (json_is_array(v) && (!two || json_array_size(v) != 2)))
        st = LT_FAIL(LT_ERR_FORMAT, "%s:%lld: expected a JSON string or an array of two strings", l->path, (long long)l->number);
    else if (!two)
        st = lt_tok_encode(tok, one, n, special, ids, NULL);
    else if (special)
        st = lt_tok_encode_pair(tok, one, n, two, m, 0, LT_LONGEST_FIRST, ids, NULL, &segment, &cut);
    else if ((st = lt_tok_encode(tok, one, n, false, ids, NULL)) == LT_OK)
        st = lt_tok_encode(tok, two, m, false, ids, NULL);
    json_decref(v);
    return st;
}

/* (printf would take longer than the tokenizer) */
static void print_id(int32_t id, bool space) {
    char text[16], *at = text + sizeof text;
    do *--at = (char)('0' + id % 10);
    while ((id /= 10) > 0);
    if (space) *--at = ' ';
    (void)fwrite_unlocked(at, 1, (size_t)(text + sizeof text - at), stdout);
}

static lt_status encode_line(const lt_tok *tok, const prep_lines *l, options o, lt_ids *ids) {
    ids->n = 0;
    LT_TRY(o.json ? encode_json(tok, l, o.special, ids) : lt_tok_encode(tok, l->line, l->bytes, o.special, ids, NULL));
    for (int64_t i = 0; i < ids->n; i++) print_id(ids->id[i], i > 0);
    putchar('\n');
    return LT_OK;
}

static lt_status decode_line(const lt_tok *tok, const prep_lines *l, options o, lt_ids *ids) {
    char *text = NULL, *end;
    size_t bytes = 0;
    ids->n = 0;
    for (const char *p = l->line + strspn(l->line, " \t"); *p; p = end + strspn(end, " \t")) {
        errno = 0;
        long id = strtol(p, &end, 10);
        LT_CHECK(end != p && !errno && id >= 0 && id < lt_tok_vocab_size(tok) && strchr(" \t", *end), LT_ERR_FORMAT,
                 "%s:%lld: \"%.*s\" is not a token id: expected whole numbers from 0 to %lld, separated by spaces", l->path,
                 (long long)l->number, (int)strcspn(p, " \t"), p, (long long)lt_tok_vocab_size(tok) - 1);
        LT_TRY(lt_ids_push(ids, (int32_t)id));
    }
    LT_TRY(lt_tok_decode(tok, ids->id, ids->n, !o.special, &text, &bytes));
    if (o.json) {
        json_t *v = json_stringn_nocheck(text, bytes);
        json_dumpf(v, stdout, JSON_ENCODE_ANY);
        json_decref(v);
    } else {
        (void)fwrite(text, 1, bytes, stdout);
    }
    putchar('\n');
    free(text);
    return LT_OK;
}

static lt_status run(const prep_args *a) {
    const char *dir = lt_cli_value(&a->cli, "tokenizer");
    options o = {.json = lt_cli_value(&a->cli, "json"), .special = !lt_cli_value(&a->cli, "no-special")};
    bool decode = lt_cli_value(&a->cli, "decode"), more = true;
    struct stat info;
    prep_lines lines = {0};
    lt_ids ids = {0};
    lt_tok *tok = NULL;
    lt_status st;
    LT_CHECK(dir, LT_ERR_ARG, "no tokenizer: give its folder with -t DIR");
    LT_CHECK(a->cli.n_words <= 1, LT_ERR_ARG, "expected one file at most, found %d", a->cli.n_words);
    LT_TRY(lt_tok_open(dir, &tok));
    LT_TRY_GOTO(prep_lines_open(&lines, a->cli.n_words ? a->cli.word[0] : "-"), st, done);
    /* someone who types, or a program behind a pipe, waits for each answer */
    if (fstat(lines.source.fd, &info) == 0 && !S_ISREG(info.st_mode)) (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        LT_TRY_GOTO(prep_lines_next(&lines, &more), st, done);
        if (!more) break;
        LT_TRY_GOTO(decode ? decode_line(tok, &lines, o, &ids) : encode_line(tok, &lines, o, &ids), st, done);
    }
done:
    prep_lines_close(&lines);
    lt_ids_free(&ids);
    lt_tok_close(&tok);
    return st;
}

static const lt_cli_option options_known[] = {
    {"tokenizer", "DIR", "model folder, or a tokenizer file", 't'},
    {"json", NULL, "each line is a JSON string, or an array of two strings for a pair; with --decode, write JSON strings", 0},
    {"no-special", NULL, "without the tokens that open, part and close texts ([CLS], [SEP], <s>); with --decode, leave them out", 0},
    {"decode", NULL, "ids in, text out", 0},
    {0}};

const prep_command prep_cmd_tokenize = {
    .cli = {.program = "ltune-prep",
            .name = "tokenize",
            .summary = "lines of text to token ids, and back",
            .usage = "-t DIR [--json] [--no-special] [--decode] [FILE]",
            .about = "One line of text in (FILE or standard input), one line of ids out, separated by spaces.\n",
            .option = options_known,
            .examples = "echo \"A film to see twice.\" | ltune-prep tokenize -t MiniLM/\n"
                        "echo '[\"A man eats.\", \"Someone eats.\"]' | ltune-prep tokenize -t MiniLM/ --json\n"
                        "echo \"101 2023 102\" | ltune-prep tokenize -t MiniLM/ --decode --no-special\n"},
    .run = run};
