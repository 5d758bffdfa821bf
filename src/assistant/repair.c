/* The prefix in an answer; see dialogue.h.
 *
 * In three passes.  First characters: what is no UTF-8 or cannot be seen goes, blanks and controls become a space, and special tokens that were written as text
 * end a line (nothing behind them counts, unless nothing stood before them).  Then lines: the first with a word, but not one that only announces an
 * answer ("Sure, here is one:") or opens a block of code.  Then what models put around a line: numbers of lists, names, quotes, marks of emphasis, in any
 * nesting, and what stands behind a closing quote. */
#include "assistant/dialogue_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_BYTES = 1 << 14, MOST_WRAPPINGS = 64, TOKEN_BYTES = 40 };

/* A piece of a text. */
typedef struct piece {
    const char *s;
    size_t n;
} piece;

static bool begins(piece p, const char *with) { return p.n >= strlen(with) && !strncasecmp(p.s, with, strlen(with)); }
static bool ends(piece p, const char *with) {
    size_t n = strlen(with);
    return p.n >= n && !memcmp(p.s + p.n - n, with, n);
}
static piece behind(piece p, size_t n) { return (piece){p.s + n, p.n - n}; }
static piece trim(piece p) {
    while (p.n && p.s[0] == ' ') p = behind(p, 1);
    while (p.n && p.s[p.n - 1] == ' ') p.n--;
    return p;
}

static bool has_word(piece p) {
    for (int bytes; p.n; p = behind(p, (size_t)bytes))
        if (lt_char_kind_of(lt_char_at(p.s, p.n, &bytes)) == LT_CHAR_LETTER) return true;
    return false;
}

/* ---- characters ---- */

/* Bytes of a special token that begins here: what tokenizers call them, as text; 0 = none. */
static size_t special_token(piece p) {
    static const char *const square[] = {"[INST]", "[/INST]", "[CLS]",  "[SEP]", "[PAD]",        "[EOS]",
                                         "[BOS]",  "[UNK]",   "[MASK]", "<|",    "<\xEF\xBD\x9C"};
    static const char *const angle[] = {"s",        "eos",    "bos",  "pad",         "unk",           "sep",
                                        "cls",      "mask",   "eot",  "end_of_turn", "start_of_turn", "endoftext",
                                        "im_start", "im_end", "turn", "think",       "end_of_image",  "start_of_image",
                                        "bod",      "eod"};
    size_t n = sizeof square / sizeof *square;
    for (size_t i = 0; i < n - 2; i++)
        if (begins(p, square[i])) return strlen(square[i]);
    if (p.s[0] != '<') return 0;
    const char *close = memchr(p.s, '>', p.n < TOKEN_BYTES ? p.n : TOKEN_BYTES);
    if (!close || close == p.s + 1) return 0;
    size_t bytes = (size_t)(close - p.s) + 1;
    if ((begins(p, square[n - 2]) && close[-1] == '|' && bytes > 3) || begins(p, square[n - 1]))
        return bytes; /* <|...|> and the wide bars of some */
    piece name = {p.s + 1, bytes - 2};
    if (name.s[0] == '/') name = behind(name, 1);
    if (begins(name, "0x") && name.n == 4) return bytes;
    if (begins(name, "unused") || begins(name, "extra_id_")) return bytes;
    for (size_t i = 0; i < sizeof angle / sizeof *angle; i++)
        if (begins(name, angle[i]) && name.n == strlen(angle[i])) return bytes;
    return 0;
}

/* What a turn of a dialogue is called where its marks were written as text. */
static bool is_role(piece p) {
    static const char *const role[] = {"model", "assistant", "user", "system"};
    for (size_t i = 0; i < sizeof role / sizeof *role; i++)
        if (begins(p, role[i]) && p.n == strlen(role[i])) return true;
    return false;
}

/* Lines with one '\n' behind each, in plain characters.  A special token ends its line; behind a line with a word, all. */
static lt_status clean(const char *answer, size_t bytes, lt_text *out) {
    size_t line = 0; /* where the line begins in out */
    bool marked = false, word = false;
    LT_TRY(lt_text_add(out, "", 0));
    for (size_t i = 0; i < bytes;) {
        int n;
        int32_t c = lt_char_at(answer + i, bytes - i, &n);
        size_t special = c >= 0 ? special_token((piece){answer + i, bytes - i}) : 0;
        lt_char_kind kind = c < 0 ? LT_CHAR_NOTHING : lt_char_kind_of(c);
        piece so_far = {out->p + line, out->n - line};
        if (special) {
            if (word && !(marked && is_role(trim(so_far)))) return LT_OK;
            marked = true;
            i += special;
            continue;
        }
        if (kind == LT_CHAR_LINE) {
            if (marked && is_role(trim(so_far))) out->n = line; /* "<start_of_turn>model" */
            LT_TRY(lt_text_add(out, "\n", 1));
            line = out->n;
            marked = word = false;
        } else if (kind == LT_CHAR_BLANK) {
            if (so_far.n && so_far.s[so_far.n - 1] != ' ') LT_TRY(lt_text_add(out, " ", 1));
        } else if (kind != LT_CHAR_NOTHING) {
            word = word || kind == LT_CHAR_LETTER;
            LT_TRY(lt_text_add(out, answer + i, (size_t)n));
        }
        i += (size_t)n;
    }
    return LT_OK;
}

/* ---- wrappings of a line ---- */

/* Without "1.", "(2)", "a)", "#3", "-" and the like in front. */
static piece without_number(piece p) {
    static const char *const bullet[] = {
        "- ", "* ", "+ ", "> ", "\xE2\x80\xA2", "\xC2\xB7 ", "\xE2\x80\x93 ", "\xE2\x80\x94 ", "\xE2\x96\xAA", "\xE2\x97\x8F"};
    for (size_t i = 0; i < sizeof bullet / sizeof *bullet; i++)
        if (begins(p, bullet[i])) return trim(behind(p, strlen(bullet[i])));
    if (p.n == 1 && strchr("-*+>", p.s[0])) return behind(p, 1);
    size_t i = 0, digits = 0;
    bool open = p.n && p.s[0] == '(', hash = p.n && p.s[0] == '#';
    if (hash)
        while (i < p.n && p.s[i] == '#') i++;
    if (hash && i < p.n && p.s[i] == ' ') return trim(behind(p, i)); /* a heading */
    if (open) i++;
    while (i < p.n && isdigit((unsigned char)p.s[i]) && digits < 4) i++, digits++;
    bool letter = !digits && i < p.n && islower((unsigned char)p.s[i]) && i + 1 < p.n && p.s[i + 1] == ')';
    if (letter) i++;
    if (!digits && !letter) return p;
    if (i < p.n && (p.s[i] == ')' || (!open && (p.s[i] == '.' || p.s[i] == ':')))) {
        bool last = i + 1 == p.n;
        if (last || !isdigit((unsigned char)p.s[i + 1])) return trim(behind(p, i + 1)); /* 3.5 and 10:30 are numbers */
    }
    return hash ? trim(behind(p, i)) : p;
}

/* Without "Prefix:", "**New instruction 2:**" and the like in front. */
static piece without_name(piece p) {
    static const char *const name[] = {"prefix", "instruction", "prompt", "candidate"};
    static const char *const kind[] = {"new ",   "next ",    "best ",      "better ",    "improved ",
                                       "final ", "another ", "candidate ", "suggested ", "possible "};
    piece q = p;
    size_t marks = 0;
    while (q.n && strchr("*_\"'`{[", q.s[0]) && marks++ < 4) q = behind(q, 1);
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++)
        if (begins(q, kind[i])) {
            q = behind(q, strlen(kind[i]));
            break;
        }
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (!begins(q, name[i])) continue;
        q = behind(q, strlen(name[i]));
        while (q.n && (isdigit((unsigned char)q.s[0]) || strchr(" #*_\"'`", q.s[0]))) q = behind(q, 1);
        if (!q.n || q.s[0] != ':') return p;
        q = behind(q, 1);
        while (q.n && strchr("*_", q.s[0])) q = behind(q, 1);
        return trim(q);
    }
    return p;
}

typedef struct quotes {
    const char *open, *close;
} quotes;
static const quotes pair[] = {{"\"", "\""},
                              {"\xE2\x80\x9C", "\xE2\x80\x9D"}, /* curly */
                              {"\xE2\x80\x9E", "\xE2\x80\x9C"}, /* low and high */
                              {"\xE2\x80\x9E", "\xE2\x80\x9D"},
                              {"\xC2\xAB", "\xC2\xBB"}, /* guillemets */
                              {"\xE2\x80\x98", "\xE2\x80\x99"},
                              {"\xE3\x80\x8C", "\xE3\x80\x8D"}, /* corner brackets */
                              {"''", "''"},
                              {"```", "```"},
                              {"`", "`"},
                              {"**", "**"},
                              {"__", "__"},
                              {"*", "*"},
                              {"'", "'"}};
enum { SURE = 3 }; /* of these a lone opening one is no part of a text either */

static const char *find(piece in, const char *what) { return memmem(in.s, in.n, what, strlen(what)); }

/* Does a text that began in quotes end here?  What follows is punctuation, a remark in brackets, or another one in quotes. */
static bool closes(piece rest) {
    rest = trim(rest);
    while (rest.n && strchr(".,;!]}", rest.s[0])) rest = trim(behind(rest, 1));
    return !rest.n || rest.s[0] == '(' || rest.s[0] == '"' || rest.s[0] == '#' || begins(rest, "- ") || begins(rest, "\xE2\x80\x93") ||
           begins(rest, "\xE2\x80\x94") || begins(rest, "-> ");
}

static piece without_quotes(piece p) {
    if (p.n > 1 && (p.s[0] == '[' || p.s[0] == '{') && p.s[1] == '"') p = behind(p, 1);
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        size_t n = strlen(pair[i].open);
        if (!begins(p, pair[i].open)) continue;
        piece in = behind(p, n);
        const char *close = find(in, pair[i].close);
        if (!close) {
            if (i < SURE) return trim(in);
            continue;
        }
        size_t at = (size_t)(close - in.s), m = strlen(pair[i].close);
        piece rest = behind(in, at + m);
        if (i < 8 ? closes(rest) : !trim(rest).n) return trim((piece){in.s, at});
    }
    /* a closing quote that nothing opened: the prompt did */
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < p.n; i++)
        if (p.s[i] == '"') {
            if (!first) first = p.s + i;
            count++;
        }
    if (first && count % 2 == 1 && first > p.s && first[-1] != ' ') {
        size_t at = (size_t)(first - p.s);
        if (closes(behind(p, at + 1)) || !isdigit((unsigned char)first[-1])) return trim((piece){p.s, at}); /* 5" is a length */
    }
    const char *curly = find(p, "\xE2\x80\x9D");
    if (curly && !find(p, "\xE2\x80\x9C") && !find(p, "\xE2\x80\x9E")) return trim((piece){p.s, (size_t)(curly - p.s)});
    return p;
}

static piece unwrap(piece p) {
    p = trim(p);
    for (int i = 0; i < MOST_WRAPPINGS; i++) {
        piece before = p;
        p = without_quotes(without_name(without_number(p)));
        if (p.n == before.n) break;
    }
    return p;
}

/* ---- lines ---- */

/* "Sure, here is one:" */
static bool announces(piece p) {
    static const char *const word[] = {"sure",      "here is", "here are", "here's",     "certainly",
                                       "of course", "okay",    "ok,",      "absolutely", "great"};
    if (!ends(p, ":")) return false;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (begins(p, word[i])) return true;
    return false;
}

/* The next line of what is left. */
static piece next_line(piece *left) {
    const char *end = memchr(left->s, '\n', left->n);
    piece line = {left->s, end ? (size_t)(end - left->s) : left->n};
    *left = behind(*left, end ? line.n + 1 : left->n);
    return trim(line);
}

/* Cut where a character ends. */
static piece at_most(piece p, size_t bytes) {
    if (p.n <= bytes) return p;
    while (bytes && ((unsigned char)p.s[bytes] & 0xC0) == 0x80) bytes--;
    return trim((piece){p.s, bytes});
}

lt_status lt_prefix_repair(const char *answer, size_t bytes, char **text) {
    lt_text lines = {0}, out = {0};
    piece found = {"", 0}, announced = {"", 0};
    lt_status st = clean(answer, bytes, &lines);
    for (piece left = {lines.p, lines.n}; st == LT_OK && left.n && !found.n;) {
        piece line = next_line(&left);
        bool fence = begins(line, "```") && !find(behind(line, 3), "```");
        line = fence ? (piece){"", 0} : unwrap(at_most(line, LINE_BYTES));
        if (!has_word(line)) continue;
        if (announces(line)) {
            if (!announced.n) announced = line;
            continue;
        }
        found = line;
    }
    if (!found.n) found = announced;
    if (st == LT_OK && !found.n) { /* no word anywhere: what there is, for a verdict */
        for (piece left = {lines.p, lines.n}; left.n && !found.n;) found = unwrap(at_most(next_line(&left), LINE_BYTES));
    }
    if (st == LT_OK) st = lt_text_add(&out, found.s, found.n);
    if (st == LT_OK) st = lt_text_take(&out, text);
    free(lines.p);
    free(out.p);
    return st;
}
