#pragma once
/* Private to the openers: what a folder's class of tokenizer is, and how its files and its tokenizer_config.json become one description.
 *
 * A folder is opened as transformers' AutoTokenizer opens it.  Without a tokenizer.json that is: the files are read as the class reads
 * them, a description in the form of a tokenizer.json is composed as the class's converter composes it, and what tokenizer_config.json says
 * is laid over it, the same way as over a tokenizer.json. */

#include "text/tokenizer_impl.h"

/* --- classes (open_class.c) ------------------------------------------------------------------------------------------------------------ */

/* What a folder's files are made into. */
typedef enum lt_tok_form {
    LT_FORM_JSON, /* only a tokenizer.json is read */
    LT_FORM_BERT, /* vocab.txt */
    LT_FORM_MPNET,
    LT_FORM_GPT2, /* vocab.json and merges.txt */
    LT_FORM_ROBERTA,
    LT_FORM_DEBERTA,
    LT_FORM_QWEN2,
    LT_FORM_LLAMA, /* a sentencepiece model */
    LT_FORM_GEMMA,
    LT_FORM_DEBERTA_V2,
    LT_FORM_XLM_ROBERTA,
    LT_FORM_T5,
    LT_FORM_ALBERT,
    LT_FORM_CAMEMBERT,
} lt_tok_form;

typedef enum lt_tok_files { LT_FILES_NONE, LT_FILES_VOCAB_TXT, LT_FILES_VOCAB_JSON, LT_FILES_SENTENCEPIECE } lt_tok_files;

/* How a class keeps a special token that is given as a plain text: as that text, or as an added token with flags. */
enum { LT_KEEP_TEXT = 0, LT_KEEP_TOKEN = 1, LT_KEEP_LSTRIP = 3, LT_KEEP_SPECIAL = 5, LT_KEEP_RAW = 9, LT_KEEP_NORMALIZED = 17 };

enum { LT_ROLES = 7 };
/* Keys of the special tokens, in the order in which transformers adds them: bos, eos, unk, sep, pad, cls, mask. */
extern const char *const lt_tok_impl_roles[LT_ROLES];

typedef struct lt_tok_role {
    const char *text;         /* the class's default; NULL: none */
    unsigned char slow, fast; /* LT_KEEP_*: in a folder without a tokenizer.json, in one with it */
} lt_tok_role;

typedef struct lt_tok_class {
    const char *name; /* "Bert" is BertTokenizer and BertTokenizerFast */
    lt_tok_form form;
    const lt_tok_role *role; /* [LT_ROLES] */
    bool bert;               /* the config's do_lower_case, strip_accents and tokenize_chinese_chars count more than a tokenizer.json */
    bool framed, bos;        /* the template is made of add_bos_token (default: bos) and add_eos_token */
    bool clean_up;           /* clean_up_tokenization_spaces where neither the config nor a tokenizer.json is there to say */
    const char *models;      /* config.json's "model_type" that have this class, each with a space around it */
} lt_tok_class;

/* The class of a name with or without "Tokenizer" and "Fast", NULL if it is not known. */
const lt_tok_class *lt_tok_impl_class(const char *name);
/* The class of a config.json's model_type, NULL if it is not known. */
const lt_tok_class *lt_tok_impl_class_of_model(const char *model_type);
/* What the class's folder holds. */
lt_tok_files lt_tok_impl_class_files(const lt_tok_class *c);
/* The class that config names, for a file of a kind.  Errors: FORMAT (none, one that is not supported, one of other files: which are is said). */
lt_status lt_tok_impl_class_for(const json_t *config, lt_tok_files kind, const char *path, const lt_tok_class **c);

/* --- files (open.c) -------------------------------------------------------------------------------------------------------------------- */

/* A whole file, released by free(); a zero byte follows.  Errors: IO (none, a folder), FORMAT (far too long), NOMEM. */
lt_status lt_tok_impl_read_file(const char *path, char **data, int64_t *bytes);

/* --- added tokens and templates (open_added.c), configuration (open_config.c) ------------------------------------------------------------ */

/* A switch of the config; null is false, absent is `otherwise`.  Errors: FORMAT (neither true nor false). */
lt_status lt_tok_impl_switch(const json_t *config, const char *key, bool otherwise, const char *path, bool *on);
/* Whether the config asks for the first way of treating blanks, which is what it does without asking. */
lt_status lt_tok_impl_legacy(const json_t *config, const char *path, bool *legacy);
/* How many tokens <extra_id_0> ... T5's classes add.  Errors: FORMAT. */
lt_status lt_tok_impl_extra_ids(const json_t *config, const char *path, int64_t *n);
/* Text of config's special token, NULL if there is none. */
const char *lt_tok_impl_role_text(const json_t *config, const char *key);
/* What transformers' constructors do on top of a description, with the defaults of the config's class filled into config: special and added
 * tokens, switches of the normaliser and of the pre-tokeniser.  slow: about was composed of other files than a tokenizer.json.  Errors:
 * FORMAT, NOMEM. */
lt_status lt_tok_impl_lay_config(json_t *about, const lt_tok_model *model, json_t *config, bool slow, const char *path);

/* A piece of a template: a special token, or the first ("$A") or second ("$B") text. */
typedef struct lt_tok_mark {
    const char *text;
    int type;
} lt_tok_mark;
/* Sets about's post_processor to a template: the first `single` of n pieces for one text, all for two.  Errors: FORMAT (a token that is not
 * there), NOMEM. */
lt_status lt_tok_impl_put_template(json_t *about, const lt_tok_model *model, const lt_tok_mark *mark, int single, int n, const char *path);
/* Id of a token that about adds or the model has, -1 if there is none. */
int64_t lt_tok_impl_id_of(const json_t *about, const lt_tok_model *model, const char *text);
/* Sets key to a new value; takes the reference.  Errors: NOMEM (also if value is NULL). */
lt_status lt_tok_impl_set(json_t *o, const char *key, json_t *value);
/* Adds tokens to about's added_tokens as Hugging Face's added vocabulary does.  list: of objects with content and flags; a text is added as
 * a special token, unless it is there.  Errors: FORMAT, NOMEM. */
lt_status lt_tok_impl_add_tokens(json_t *about, const lt_tok_model *model, json_t *list, const char *path);

/* --- sentencepiece's model files (spm.c) -------------------------------------------------------------------------------------------------- */

enum { LT_SPM_NORMAL = 1, LT_SPM_UNKNOWN, LT_SPM_CONTROL, LT_SPM_USER, LT_SPM_UNUSED, LT_SPM_BYTE };
enum { LT_SPM_UNIGRAM = 1, LT_SPM_BPE };

typedef struct lt_spm_piece {
    const char *text; /* [bytes] inside data, valid UTF-8 */
    int32_t bytes, type;
    float score;
} lt_spm_piece;
typedef struct lt_spm {
    unsigned char *data; /* the file */
    int64_t bytes;
    lt_spm_piece *piece; /* [n] */
    int64_t n, cap;
    int32_t model_type, unk_id;
    bool byte_fallback;
    char *unk_piece;
    const unsigned char *charsmap; /* [charsmap_bytes] the normaliser's table, in data; NULL: none */
    int64_t charsmap_bytes;
} lt_spm;
/* Reads a *.model file.  Errors: IO, FORMAT (with the place), NOMEM. */
lt_status lt_tok_impl_spm_open(const char *path, lt_spm *m);
void lt_tok_impl_spm_free(lt_spm *m);
