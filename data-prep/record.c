/* Rows of columns: TSV and CSV by one machine.
 *
 * RFC 4180: a field that begins with a quote ends with one; in between, separators and line ends are text, and a doubled quote is one quote.  A quote within
 * a field that does not begin with one is text, which is what spreadsheets and Python's csv make of it.  What follows a closing quote must be a separator or
 * the end of the line: anything else is nearly always a quote that was not doubled, and reading on would move texts into wrong rows.
 *
 * A record is taken apart in the source's buffer, in place: a field without its quotes is shorter, so that it can be moved down, and its end can be
 * overwritten by a NUL.  The state survives a call for more bytes, so that each byte is looked at once however the bytes come. */
#include "rows_impl.h"

#include <string.h>

typedef enum state { FIELD, PLAIN, QUOTED, CLOSED, DONE } state;

typedef struct machine {
    prep_source *s;
    prep_record *rec;
    size_t in, out; /* next byte to read; where the field's next byte goes */
    size_t start;   /* of the field */
    state state;
    bool quoted;   /* the field */
    int64_t lines; /* line ends taken */
    int64_t opened;
} machine;

static void end_field(machine *m) {
    prep_record *rec = m->rec;
    if (rec->n < PREP_MAX_COLUMNS) rec->field[rec->n] = (prep_field){m->start, m->out - m->start};
    rec->n++;
    m->s->buf[m->s->at + m->out] = 0;
    m->start = ++m->out;
    m->quoted = false;
    m->state = FIELD;
}

/* At \n, or behind the last byte. */
static void end_record(machine *m, bool line_end) {
    const char *p = m->s->buf + m->s->at;
    if (!m->quoted && m->out > m->start && p[m->out - 1] == '\r') m->out--;
    end_field(m);
    m->lines += line_end;
    m->in += line_end;
    m->state = DONE;
}

/* Takes text as it stands up to a byte that stops. */
static void take_plain(machine *m, const bool stop[256], size_t n) {
    char *p = m->s->buf + m->s->at;
    size_t k = m->in;
    while (k < n && !stop[(unsigned char)p[k]]) k++;
    if (m->out != m->in) memmove(p + m->out, p + m->in, k - m->in);
    m->out += k - m->in;
    m->in = k;
}

/* Takes text up to a quote. */
static void take_quoted(machine *m, char quote, size_t n) {
    char *p = m->s->buf + m->s->at, *end = memchr(p + m->in, quote, n - m->in);
    size_t k = end ? (size_t)(end - p) : n;
    for (const char *q = p + m->in; (q = memchr(q, '\n', (size_t)(p + k - q))); q++) m->lines++;
    memmove(p + m->out, p + m->in, k - m->in);
    m->out += k - m->in;
    m->in = k;
    if (!end) return;
    m->in++;
    m->state = CLOSED;
}

/* The byte behind a quote within quotes. */
static lt_status take_closed(machine *m, char separator, char quote, size_t n) {
    char *p = m->s->buf + m->s->at;
    char c = p[m->in];
    if (c == quote) {
        p[m->out++] = c;
        m->in++;
        m->state = QUOTED;
    } else if (c == separator) {
        m->in++;
        end_field(m);
    } else if (c == '\n') {
        end_record(m, true);
    } else if (c == '\r' && m->in + 1 < n && p[m->in + 1] == '\n') {
        m->in++;
        end_record(m, true);
    } else {
        return LT_FAIL(LT_ERR_FORMAT,
                       "%s:%lld: the quote that opens in line %lld, column %d, closes before \"%.*s\"; expected a separator or the end of "
                       "the line there: a "
                       "quote within quotes is written twice",
                       m->s->path, (long long)(m->s->line + m->lines + 1), (long long)m->opened, m->rec->n + 1,
                       (int)(n - m->in < 20 ? n - m->in : 20), p + m->in);
    }
    return LT_OK;
}

/* The file ends where the machine stands. */
static lt_status at_end(machine *m, bool *more) {
    *more = m->in > 0 && !m->s->partial;
    if (!*more) return LT_OK;
    LT_CHECK(m->state != QUOTED, LT_ERR_FORMAT, "%s:%lld: a quote opens in column %d and is never closed", m->s->path, (long long)m->opened,
             m->rec->n + 1);
    end_record(m, false);
    m->lines++;
    return LT_OK;
}

lt_status prep_record_next(prep_source *s, char separator, char quote, int max, prep_record *rec, bool *more) {
    bool stop[256] = {false}, last[256] = {false};
    machine m = {.s = s, .rec = rec, .state = FIELD};
    stop[(unsigned char)separator] = stop['\n'] = last['\n'] = true;
    if (s->line == 0) LT_TRY(prep_source_skip_mark(s));
    rec->n = 0;
    rec->line = s->line + 1;
    rec->moved = false;
    *more = true;
    while (m.state != DONE) {
        size_t n = s->end - s->at;
        /* a carriage return behind a quote is understood with what follows it */
        if (m.in == n || (m.state == CLOSED && m.in + 1 == n && s->buf[s->at + m.in] == '\r')) {
            LT_TRY(prep_source_more(s));
            if (s->end - s->at == n && s->eof) {
                if (m.in < n) m.in = n;
                LT_TRY(at_end(&m, more));
                if (!*more) return LT_OK;
            }
            continue;
        }
        switch (m.state) {
        case FIELD:
            m.state = PLAIN;
            if (!quote || s->buf[s->at + m.in] != quote) break;
            m.in++;
            m.state = QUOTED;
            m.quoted = rec->moved = true;
            m.opened = s->line + m.lines + 1;
            break;
        case PLAIN:
            take_plain(&m, rec->n + 1 == max ? last : stop, n);
            if (m.in == n) break;
            if (s->buf[s->at + m.in] == '\n') {
                end_record(&m, true);
            } else {
                m.in++;
                end_field(&m);
            }
            break;
        case QUOTED:
            take_quoted(&m, quote, n);
            break;
        case CLOSED:
            LT_TRY(take_closed(&m, separator, quote, n));
            break;
        case DONE:
            break;
        }
    }
    rec->base = s->buf + s->at;
    s->at += m.in;
    s->line += m.lines;
    return LT_OK;
}
