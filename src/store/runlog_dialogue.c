/* What an assistant was asked and said in the dialogue of a trial (method gpta), and how the prefixes did; see runlog.h.
 *
 *     /trials/<trial>/dialogue/{step, round i64, prompt, answer, prefix, verdict text, probe_loss, gain, accuracy f64, probed i64, chosen u8}     [answers]
 *
 * In memory the rows are a series as others are, so what truncates and counts series needs no word about them; the texts that they point at belong to
 * the log and live as long as it does, because a prompt is shared by all answers of its round.  In the file every row has its prompt, packed; in the
 * journal a row may say that its prompt is that of the row before it. */
#include "store/runlog_impl.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 7, TEXTS = 4 };
#define COLUMN(name, dtype)                                                                                                                \
    { #name, dtype, offsetof(lt_dialogue_row, name), 0, false }
static const lt_column number[NUMBERS] = {COLUMN(step, LT_I64), COLUMN(round, LT_I64),    COLUMN(probe_loss, LT_F64),
                                          COLUMN(gain, LT_F64), COLUMN(accuracy, LT_F64), COLUMN(probed, LT_I64),
                                          COLUMN(chosen, LT_U8)};
_Static_assert(sizeof(bool) == 1, "a bool is written as the byte that it is");

static const char *const text_name[TEXTS] = {"prompt", "answer", "prefix", "verdict"};
static const char **text_of(lt_dialogue_row *row, int k) {
    const char **const text[TEXTS] = {&row->prompt, &row->answer, &row->prefix, &row->verdict};
    return text[k];
}

static lt_dialogue_row *row_at(const lt_series *s, int64_t i) { return (lt_dialogue_row *)(void *)s->row + i; }

/* ---- texts ---- */

/* Copies UTF-8 and repairs what is not, at most LT_DIALOGUE_TEXT_BYTES; returns the bytes.  to: NULL only counts. */
static size_t repair(const char *text, size_t bytes, char *to) {
    static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
    size_t out = 0;
    for (size_t at = 0, n; at < bytes && text[at]; at += n ? n : 1) {
        bool good;
        n = lt_utf8_unit(text + at, bytes - at, &good);
        if (!good) n = 0;
        size_t more = n ? n : 3;
        if (out + more > LT_DIALOGUE_TEXT_BYTES) break;
        if (to) memcpy(to + out, n ? text + at : replacement, more);
        out += more;
    }
    return out;
}

/* *out: the log's own copy of a text; before: one that it may be the same as, or NULL. */
static lt_status keep_text(lt_runlog *log, const char *text, size_t bytes, const char *before, const char **out) {
    lt_log_text *own;
    size_t n = repair(text, bytes, NULL);
    LT_TRY(lt_calloc(&own, (int64_t)(sizeof *own + n + 1), 1, "a text of the run log"));
    (void)repair(text, bytes, own->text);
    if (before && !strcmp(before, own->text)) {
        free(own);
        *out = before;
        return LT_OK;
    }
    own->next = log->text;
    log->text = own;
    *out = own->text;
    return LT_OK;
}

void lt_runlog_impl_free_texts(lt_runlog *log) {
    for (lt_log_text *next; log->text; log->text = next) {
        next = log->text->next;
        free(log->text);
    }
}

/* ---- rows ---- */

lt_status lt_runlog_add_dialogue(lt_runlog *log, const char *trial, const lt_dialogue_row *row) {
    lt_log_trial *t = NULL;
    lt_dialogue_row own = *row;
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    lt_dialogue_row *before = t->dialogue.n ? row_at(&t->dialogue, t->dialogue.n - 1) : NULL;
    for (int k = 0; k < TEXTS; k++) {
        const char *text = *text_of(&own, k) ? *text_of(&own, k) : "";
        LT_TRY(keep_text(log, text, strlen(text), before ? *text_of(before, k) : NULL, text_of(&own, k)));
    }
    log->dirty = true;
    return lt_runlog_impl_push(&t->dialogue, &own);
}

/* ---- the journal ---- */

/* Before its texts; a prompt of SAME bytes is that of the row before. */
typedef struct journal_row {
    int64_t step, round, probed, chosen;
    double probe_loss, gain, accuracy;
    uint32_t bytes[TEXTS];
} journal_row;
static const uint32_t SAME = UINT32_MAX;

static bool same_prompt(const lt_series *s, int64_t i) { return i > s->saved && row_at(s, i)->prompt == row_at(s, i - 1)->prompt; }

size_t lt_runlog_impl_dialogue_bytes(const lt_series *s) {
    size_t bytes = 0;
    for (int64_t i = s->saved; i < s->n; i++) {
        bytes += sizeof(journal_row);
        for (int k = same_prompt(s, i); k < TEXTS; k++) bytes += strlen(*text_of(row_at(s, i), k));
    }
    return bytes;
}

unsigned char *lt_runlog_impl_put_dialogue(const lt_series *s, unsigned char *to) {
    for (int64_t i = s->saved; i < s->n; i++) {
        lt_dialogue_row *r = row_at(s, i);
        journal_row head = {r->step, r->round, r->probed, r->chosen, r->probe_loss, r->gain, r->accuracy, {SAME}};
        int first = same_prompt(s, i);
        for (int k = first; k < TEXTS; k++) head.bytes[k] = (uint32_t)strlen(*text_of(r, k));
        memcpy(to, &head, sizeof head);
        to += sizeof head;
        for (int k = first; k < TEXTS; k++) {
            memcpy(to, *text_of(r, k), head.bytes[k]);
            to += head.bytes[k];
        }
    }
    return to;
}

lt_status lt_runlog_impl_take_dialogue(lt_runlog *log, lt_series *s, const unsigned char *from, size_t bytes, int64_t n, size_t *used) {
    const unsigned char *p = from, *end = from + bytes;
    const char *prompt = NULL; /* of the row before in this record */
    const int64_t had = s->n;
    *used = 0;
    for (int64_t i = 0; i < n; i++) {
        journal_row head;
        if ((size_t)(end - p) < sizeof head) goto bad;
        memcpy(&head, p, sizeof head);
        p += sizeof head;
        lt_dialogue_row row = {.step = head.step,
                               .round = head.round,
                               .probe_loss = head.probe_loss,
                               .gain = head.gain,
                               .accuracy = head.accuracy,
                               .probed = head.probed,
                               .chosen = head.chosen != 0,
                               .prompt = prompt};
        bool shared = head.bytes[0] == SAME && prompt;
        for (int k = shared; k < TEXTS; k++) {
            if (head.bytes[k] > (size_t)(end - p)) goto bad;
            LT_TRY(keep_text(log, (const char *)p, head.bytes[k], NULL, text_of(&row, k)));
            p += head.bytes[k];
        }
        prompt = row.prompt;
        LT_TRY(lt_runlog_impl_push(s, &row));
        s->saved = s->n;
    }
    *used = (size_t)(p - from);
    return LT_OK;
bad:
    s->n = s->saved = had;
    return LT_OK;
}

/* ---- the file ---- */

lt_status lt_runlog_impl_write_dialogue(const lt_log_trial *t, hid_t trial_group) {
    const lt_series *s = &t->dialogue;
    const char **text = NULL;
    hid_t g = -1;
    lt_status st = LT_OK;
    if (s->n == 0) return LT_OK;
    LT_TRY(lt_calloc(&text, s->n, sizeof *text, "a column of texts"));
    LT_TRY_GOTO(lt_runlog_impl_write_series(trial_group, "dialogue", s, number, NUMBERS), st, done);
    LT_TRY_GOTO(lt_h5_group(trial_group, "dialogue", &g), st, done);
    for (int k = 0; k < TEXTS && st == LT_OK; k++) {
        for (int64_t i = 0; i < s->n; i++) text[i] = *text_of(row_at(s, i), k);
        st = lt_h5_write_texts(g, text_name[k], s->n, text);
    }
done:
    lt_h5_close(&g);
    free(text);
    return st;
}

static lt_status read_texts(lt_runlog *log, const lt_series *s, hid_t g, int k) {
    char **text = NULL;
    int64_t n = 0;
    LT_TRY(lt_h5_read_strings(g, text_name[k], &n, &text));
    lt_status st = n == s->n ? LT_OK
                             : LT_FAIL(LT_ERR_FORMAT, "%s: column %s of a dialogue has %lld rows, the others have %lld", log->path,
                                       text_name[k], (long long)n, (long long)s->n);
    for (int64_t i = 0; i < n && st == LT_OK; i++)
        st = keep_text(log, text[i], strlen(text[i]), i ? *text_of(row_at(s, i - 1), k) : NULL, text_of(row_at(s, i), k));
    free(text);
    return st;
}

lt_status lt_runlog_impl_read_dialogue(lt_runlog *log, lt_log_trial *t, hid_t trial_group) {
    lt_series *s = &t->dialogue;
    hid_t g = -1;
    if (!lt_h5_has(trial_group, "dialogue")) return LT_OK;
    LT_TRY(lt_runlog_impl_read_series(trial_group, "dialogue", log->path, s, number, NUMBERS));
    for (int64_t i = 0; i < s->n; i++) { /* another program may have other bytes for true */
        unsigned char *chosen = (unsigned char *)&row_at(s, i)->chosen;
        *chosen = *chosen != 0;
    }
    LT_TRY(lt_h5_group(trial_group, "dialogue", &g));
    lt_status st = LT_OK;
    for (int k = 0; k < TEXTS && st == LT_OK; k++) st = read_texts(log, s, g, k);
    lt_h5_close(&g);
    return st;
}
