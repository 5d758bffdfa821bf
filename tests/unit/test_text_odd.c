// TEST np: 0  rooms: text  labels: unit  timeout: 120
/* Odd tokenizers, odd texts, odd folders: what is rare, and right only if somebody has thought of it. */
#include "text_util.h"

#include <sys/stat.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static lt_tok *open_json(const char *json) {
    lt_tok *t = NULL;
    text_write("tokenizer.json", json, strlen(json));
    CHECK_OK(lt_tok_open(text_path("tokenizer.json"), &t));
    return t;
}

static void expect(const lt_tok *t, const char *text, size_t bytes, const int32_t *want, int n) {
    lt_ids ids = {0};
    CHECK_OK(lt_tok_encode(t, text, bytes, false, &ids, NULL));
    bool same = text_same(&ids, want, n);
    CHECK(same);
    if (!same) text_show(text, &ids, want, n);
    lt_ids_free(&ids);
}

/* --- tokenizers ------------------------------------------------------------------------------------------------------------------------- */

/* A BPE whose unknown token is in no vocabulary works as long as nothing is unknown. */
static void lacking_unknown(void) {
    lt_tok *t = open_json(
        "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}}");
    lt_ids ids = {0};
    if (!t) return;
    expect(t, "aabb", 4, (int32_t[]){0, 2, 1}, 3);
    CHECK_FAILS(lt_tok_encode(t, "ab\303\251a", 5, false, &ids, NULL), LT_ERR_FORMAT, "holds \"\303\251\", which is in no token");
    CHECK_INT(ids.n, 0);
    CHECK_INT(lt_tok_unk(t), -1);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

/* Two ids of one text: encoding has the later one, and both are special if the text is. */
static void repeated_special(void) {
    lt_tok *t =
        open_json("{\"added_tokens\": [{\"id\": 3, \"content\": \"<p>\", \"special\": true}],"
                  " \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"?\", 0], [\"<p>\", 0], [\"a\", -1], [\"<p>\", 0]]}}");
    char *text = NULL;
    if (!t) return;
    expect(t, "a<p>a", 5, (int32_t[]){2, 3, 2}, 3);
    CHECK_OK(lt_tok_decode(t, (int32_t[]){1, 2, 3}, 3, true, &text, NULL));
    CHECK_STR(text ? text : "", "a");
    free(text);
    CHECK_OK(lt_tok_decode(t, (int32_t[]){1, 2, 3}, 3, false, &text, NULL));
    CHECK_STR(text ? text : "", "<p> a <p>");
    free(text);
    lt_tok_close(&t);
}

#define ABC "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}"

/* Zero bytes in a text, and in what it is cut at or has replaced. */
static void zero_bytes(void) {
    lt_tok *t = open_json("{\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"b\\u0000\"}, \"behavior\": \"Isolated\", "
                          "\"invert\": false}, " ABC "}");
    if (!t) return;
    expect(t, "ab\0ab", 5, (int32_t[]){0, 1, 2}, 3);
    expect(t, "ab", 2, (int32_t[]){2}, 1);
    lt_tok_close(&t);
    t = open_json("{\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"b\\u0000\"}, \"content\": \"\\u0000a\"}, " ABC "}");
    if (!t) return;
    expect(t, "ab\0b", 4, (int32_t[]){0, 2}, 2);
    expect(t, "", 0, NULL, 0);
    lt_tok_close(&t);
}

/* --- texts ------------------------------------------------------------------------------------------------------------------------------- */

/* White space that belongs to an added token is gone through once, even if the tokens are white space themselves. */
static void long_space(void) {
    enum { N = 1 << 20 };
    lt_tok *t = open_json("{\"added_tokens\": [{\"id\": 4, \"content\": \"\\n\", \"rstrip\": true}], " ABC "}");
    char *text = malloc(N + 2);
    lt_ids ids = {0};
    lt_spans spans = {0};
    if (!t || !text) return;
    memset(text, '\n', N);
    text[N] = 'a';
    double begin = seconds();
    CHECK_OK(lt_tok_encode(t, text, N + 1, false, &ids, &spans));
    CHECK(seconds() - begin < 5); /* hours, if every token went through it */
    CHECK_INT(ids.n, N + 1);
    CHECK(ids.n > 2 && ids.id[0] == 4 && ids.id[N] == 0 && spans.at[0].end == N && spans.at[2].begin == 2);
    ids.n = spans.n = 0;
    CHECK_OK(lt_tok_encode(t, "\n a\n\tb", 6, false, &ids, &spans));
    CHECK(text_same(&ids, (int32_t[]){4, 0, 4, 1}, 4) && spans.at[0].end == 2 && spans.at[2].begin == 3 && spans.at[2].end == 5);
    free(text);
    lt_ids_free(&ids);
    lt_spans_free(&spans);
    lt_tok_close(&t);
}

/* Handles may be closed in any order, and a twin has all that the first has. */
static void handles(void) {
    lt_tok *t = open_json("{" ABC "}"), *twin[3] = {NULL};
    if (!t) return;
    for (int i = 0; i < 3; i++) CHECK_OK(lt_tok_twin(i ? twin[i - 1] : t, &twin[i]));
    lt_tok_close(&twin[1]);
    lt_tok_close(&t);
    expect(twin[2], "ab", 2, (int32_t[]){2}, 1);
    lt_tok_close(&twin[0]);
    expect(twin[2], "ba", 2, (int32_t[]){1, 0}, 2);
    lt_tok_close(&twin[2]);
    CHECK(!twin[2]);
    lt_tok_close(&twin[2]);
}

/* A limit that has no room for the specials, and one with room for them alone. */
static void no_room(void) {
    lt_tok *t = open_json("{\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 0], \"sep\": [\"b\", 1]}, " ABC "}");
    lt_ids ids = {0};
    int64_t segment;
    bool cut;
    if (!t) return;
    CHECK_FAILS(text_encode_pair(t, "ab", NULL, 1, &ids, &segment, &cut), LT_ERR_ARG, "no room for the special tokens");
    CHECK_FAILS(text_encode_pair(t, "ab", "ab", 2, &ids, &segment, &cut), LT_ERR_ARG, "no room for the special tokens");
    CHECK_INT(ids.n, 0);
    CHECK_OK(text_encode_pair(t, "ab", NULL, 2, &ids, &segment, &cut));
    CHECK(cut && text_same(&ids, (int32_t[]){0, 1}, 2));
    ids.n = 0;
    CHECK_OK(text_encode_pair(t, "ab", "", 4, &ids, &segment, &cut));
    CHECK(!cut && segment == 3 && text_same(&ids, (int32_t[]){0, 2, 1, 1}, 4));
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

/* --- folders ----------------------------------------------------------------------------------------------------------------------------- */

static const char *const files[] = {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"};
enum { FILES = sizeof files / sizeof *files };

static void clear(void) {
    for (int i = 0; i < FILES; i++)
        if (unlink(text_path(files[i])) != 0) (void)rmdir(text_path(files[i]));
}

static void put(const char *name, const char *content) { text_write(name, content, strlen(content)); }

/* Opens the folder: it fails with this code and these words. */
static void fails(lt_status code, const char *words) {
    lt_tok *t = NULL;
    CHECK_FAILS(lt_tok_open(text_dir(), &t), code, words);
    CHECK(!t);
}

#define BERT "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\nab\n"

/* A file that is named right but is none must not make another one count. */
static void odd_files(void) {
    lt_tok *t = NULL;
    clear();
    fails(LT_ERR_IO, "no tokenizer in");
    put("vocab.txt", BERT);
    CHECK_OK(lt_tok_open(text_dir(), &t));
    expect(t, "AB", 2, (int32_t[]){5}, 1);
    lt_tok_close(&t);
    CHECK(mkdir(text_path("tokenizer.json"), 0700) == 0);
    fails(LT_ERR_IO, "tokenizer.json is no file");
    CHECK(rmdir(text_path("tokenizer.json")) == 0);
    CHECK(mkfifo(text_path("tokenizer.json"), 0600) == 0);
    fails(LT_ERR_IO, "tokenizer.json is no file");
    CHECK(unlink(text_path("tokenizer.json")) == 0);
    CHECK(symlink("nowhere", text_path("tokenizer.json")) == 0);
    fails(LT_ERR_IO, "tokenizer.json is a link to a file that is not there");
    CHECK(unlink(text_path("tokenizer.json")) == 0);
    CHECK(symlink("nowhere", text_path("tokenizer_config.json")) == 0);
    fails(LT_ERR_IO, "tokenizer_config.json is a link to a file that is not there");
    CHECK(unlink(text_path("tokenizer_config.json")) == 0);
    CHECK(symlink("vocab.txt", text_path("tokenizer.json")) == 0); /* a link to a file is one */
    fails(LT_ERR_FORMAT, "tokenizer.json:1: not JSON");
    clear();
    CHECK(symlink("tokenizer.json", text_path("tokenizer.json")) == 0);
    fails(LT_ERR_IO, "Too many levels");
    clear();
}

static void odd_contents(void) {
    lt_tok *t = NULL;
    put("tokenizer.json", "");
    fails(LT_ERR_FORMAT, "tokenizer.json:1: not JSON");
    put("tokenizer.json", "\357\273\277{" ABC "}");
    fails(LT_ERR_FORMAT, "tokenizer.json:1: not JSON");
    put("tokenizer.json", "{" ABC "} {}");
    fails(LT_ERR_FORMAT, "tokenizer.json:1: not JSON");
    put("tokenizer.json", "{\r\n" ABC "\r\n}\r\n");
    CHECK_OK(lt_tok_open(text_dir(), &t));
    lt_tok_close(&t);
    if (geteuid() != 0) { /* whom permissions do not bind */
        CHECK(chmod(text_path("tokenizer.json"), 0) == 0);
        fails(LT_ERR_IO, "Permission denied");
    }
    clear();
    put("vocab.txt", "");
    fails(LT_ERR_FORMAT, "vocab.txt is empty");
    put("vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\n[PAD]\r\n[MASK]\r\nab\r\n"); /* lines of another system */
    CHECK_OK(lt_tok_open(text_dir(), &t));
    expect(t, "ab b", 4, (int32_t[]){5, 0}, 2);
    lt_tok_close(&t);
    put("vocab.txt", "\357\273\277" BERT); /* the mark belongs to the first token, as it does for Python */
    fails(LT_ERR_FORMAT, "lacks the unknown token");
    clear();
    put("vocab.json", "{\"<s>\": 0, \"<mask>\": 1, \"</s>\": 2, \"<unk>\": 3, \"<pad>\": 4, \"a\": 5}");
    fails(LT_ERR_IO, "merges.txt");
    CHECK(mkdir(text_path("merges.txt"), 0700) == 0);
    fails(LT_ERR_IO, "merges.txt is no file");
    clear();
}

int main(void) {
    lacking_unknown();
    repeated_special();
    zero_bytes();
    long_space();
    handles();
    no_room();
    odd_files();
    odd_contents();
    text_clean(NULL, 0);
    return test_end();
}
