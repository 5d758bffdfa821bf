/* `ltune-prep model`: what a Hugging Face folder is, and whether ltune can use it. */
#include "prep.h"

#include "model/model.h"
#include "text/tokenizer.h"

/* The tokenizer of the folder against the embedding table.  A folder without one can still turn ids into features. */
static lt_status print_tokenizer(const char *dir) {
    char hex[LT_SHA_HEX_BYTES];
    lt_arch arch;
    lt_tok *tok = NULL;
    LT_TRY(lt_arch_read(dir, &arch));
    lt_status opened = lt_tok_open(dir, &tok);
    if (opened == LT_ERR_IO) {
        printf("tokenizer: none (%s)\nusable with token ids only: `ltune features --ids`\n", lt_err_last()->msg);
        lt_err_clear();
        return LT_OK;
    }
    LT_TRY(opened);
    int64_t V = lt_tok_vocab_size(tok);
    lt_status st = lt_tok_sha256(tok, hex);
    if (st == LT_OK) printf("tokenizer: %s, %lld tokens, SHA-256 %.16s...\n", lt_tok_kind_name(tok), (long long)V, hex);
    if (st == LT_OK && V < arch.V)
        printf("padded vocabulary: the last %lld of %lld embeddings belong to no token\n", (long long)(arch.V - V), (long long)arch.V);
    if (st == LT_OK && V > arch.V)
        st = LT_FAIL(LT_ERR_FORMAT, "%s: the tokenizer has %lld tokens, but the model only %lld embeddings: they do not belong together",
                     dir, (long long)V, (long long)arch.V);
    lt_tok_close(&tok);
    if (st == LT_OK) printf("usable: model.path: %s\n", dir);
    return st;
}

static lt_status run(const prep_args *a) {
    LT_CHECK(a->cli.n_words == 1, LT_ERR_ARG, "expected one model folder, found %d", a->cli.n_words);
    LT_TRY(lt_model_inspect(a->cli.word[0], stdout));
    return print_tokenizer(a->cli.word[0]);
}

const prep_command prep_cmd_model = {
    .cli =
        {.program = "ltune-prep",
         .name = "model",
         .summary = "what is this Hugging Face folder, and can it be used?",
         .usage = "DIR",
         .about =
             "Reads config.json, the headers of the weight files and the tokenizer, and checks every tensor that the architecture "
             "needs;\n"
             "reads no weights.  Prints architecture, sizes, files and element types, what the tensors are that are not used, memory for\n"
             "the weights on one rank (as `ltune plan` has it) and the parallel.tp that work.\n"
             "Exit code 0: `ltune` can use the folder (without a tokenizer: for `ltune features --ids` only).\n",
         .examples = "ltune-prep model MiniLM/\n"},
    .run = run};
