/* Classes of tokenizers as transformers 4.57 has them: their special tokens, and what else their constructors decide.
 *
 * A class keeps a special token that the config gives as a text either as that text or wrapped into an added token with flags; which flags differs between the class that
 * reads vocabularies and the one that reads a tokenizer.json.  It shows: a wrapped token is added once more, with those flags, over one that is there. */
#include "text/open_impl.h"

#include <string.h>

const char *const lt_tok_impl_roles[LT_ROLES] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                 "pad_token", "cls_token", "mask_token"};

enum {
    TEXT = LT_KEEP_TEXT,
    TOKEN = LT_KEEP_TOKEN,
    SPECIAL = LT_KEEP_SPECIAL,
    RAW = LT_KEEP_RAW,
    LSTRIP = LT_KEEP_LSTRIP,
    RAW_SPECIAL = LT_KEEP_RAW | LT_KEEP_SPECIAL,
    RAW_LSTRIP = LT_KEEP_RAW | LT_KEEP_LSTRIP,
    LSTRIP_SPECIAL = LT_KEEP_LSTRIP | LT_KEEP_SPECIAL,
    NORMALIZED_SPECIAL = LT_KEEP_NORMALIZED | LT_KEEP_SPECIAL,
};

/* In the order of lt_tok_impl_roles: bos, eos, unk, sep, pad, cls, mask. */
static const lt_tok_role none[LT_ROLES];
static const lt_tok_role bert[LT_ROLES] = {{0}, {0}, {"[UNK]", 0, 0}, {"[SEP]", 0, 0}, {"[PAD]", 0, 0}, {"[CLS]", 0, 0}, {"[MASK]", 0, 0}};
static const lt_tok_role mpnet[LT_ROLES] = {{"<s>", SPECIAL, TOKEN},           {"</s>", SPECIAL, TOKEN},  {"[UNK]", SPECIAL, TOKEN},
                                            {"</s>", SPECIAL, TOKEN},          {"<pad>", SPECIAL, TOKEN}, {"<s>", SPECIAL, TOKEN},
                                            {"<mask>", LSTRIP_SPECIAL, LSTRIP}};
static const lt_tok_role gpt2[LT_ROLES] = {
    {"<|endoftext|>", TOKEN, TEXT}, {"<|endoftext|>", TOKEN, TEXT}, {"<|endoftext|>", TOKEN, TEXT}, {0}, {NULL, TOKEN, TEXT}};
static const lt_tok_role roberta[LT_ROLES] = {{"<s>", TOKEN, TEXT},
                                              {"</s>", TOKEN, TEXT},
                                              {"<unk>", TOKEN, TEXT},
                                              {"</s>", TOKEN, TEXT},
                                              {"<pad>", TOKEN, TEXT},
                                              {"<s>", TOKEN, TEXT},
                                              {"<mask>", RAW_LSTRIP, RAW_LSTRIP}};
static const lt_tok_role deberta[LT_ROLES] = {{"[CLS]", SPECIAL, TEXT}, {"[SEP]", SPECIAL, TEXT}, {"[UNK]", SPECIAL, TEXT},
                                              {"[SEP]", SPECIAL, TEXT}, {"[PAD]", SPECIAL, TEXT}, {"[CLS]", SPECIAL, TEXT},
                                              {"[MASK]", LSTRIP, TEXT}};
static const lt_tok_role qwen2[LT_ROLES] = {{NULL, RAW_SPECIAL, RAW_SPECIAL},
                                            {"<|endoftext|>", RAW_SPECIAL, RAW_SPECIAL},
                                            {"<|endoftext|>", RAW_SPECIAL, RAW_SPECIAL},
                                            {0},
                                            {"<|endoftext|>", RAW_SPECIAL, RAW_SPECIAL}};
static const lt_tok_role llama[LT_ROLES] = {
    {"<s>", RAW_SPECIAL, TEXT}, {"</s>", RAW_SPECIAL, TEXT}, {"<unk>", RAW_SPECIAL, TEXT}, {0}, {NULL, RAW_SPECIAL, TEXT}};
static const lt_tok_role gemma[LT_ROLES] = {
    {"<bos>", RAW_SPECIAL, TEXT}, {"<eos>", RAW_SPECIAL, TEXT}, {"<unk>", RAW_SPECIAL, TEXT}, {0}, {"<pad>", RAW_SPECIAL, TEXT}};
static const lt_tok_role deberta_v2[LT_ROLES] = {{"[CLS]", 0, 0}, {"[SEP]", 0, 0}, {"[UNK]", NORMALIZED_SPECIAL, TEXT},
                                                 {"[SEP]", 0, 0}, {"[PAD]", 0, 0}, {"[CLS]", 0, 0},
                                                 {"[MASK]", 0, 0}};
static const lt_tok_role xlm_roberta[LT_ROLES] = {
    {"<s>", 0, 0}, {"</s>", 0, 0}, {"<unk>", 0, 0}, {"</s>", 0, 0}, {"<pad>", 0, 0}, {"<s>", 0, 0}, {"<mask>", LSTRIP_SPECIAL, LSTRIP}};
static const lt_tok_role t5[LT_ROLES] = {{0}, {"</s>", SPECIAL, TEXT}, {"<unk>", SPECIAL, TEXT}, {0}, {"<pad>", SPECIAL, TEXT}};
static const lt_tok_role albert[LT_ROLES] = {{"[CLS]", 0, 0},
                                             {"[SEP]", 0, 0},
                                             {"<unk>", 0, 0},
                                             {"[SEP]", 0, 0},
                                             {"<pad>", 0, 0},
                                             {"[CLS]", 0, 0},
                                             {"[MASK]", RAW_LSTRIP, RAW_LSTRIP}};
static const lt_tok_role camembert[LT_ROLES] = {{"<s>", 0, 0},
                                                {"</s>", 0, 0},
                                                {"<unk>", 0, 0},
                                                {"</s>", 0, 0},
                                                {"<pad>", 0, 0},
                                                {"<s>", 0, 0},
                                                {"<mask>", RAW_LSTRIP | LT_KEEP_SPECIAL, LSTRIP_SPECIAL}};
static const lt_tok_role cohere[LT_ROLES] = {{"<BOS_TOKEN>", 0, 0}, {"<|END_OF_TURN_TOKEN|>", 0, 0}, {"<UNK>", 0, 0}};

static const lt_tok_class classes[] = {
    {"Bert", LT_FORM_BERT, bert, .bert = true, .clean_up = true,
     .models = " bert align bark blip bros chinese_clip ernie git grounding-dino megatron-bert mm-grounding-dino nezha qdqbert tvp vilt "
               "visual_bert "},
    {"DistilBert", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " distilbert "},
    {"Electra", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " electra "},
    {"MobileBert", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " mobilebert "},
    {"ConvBert", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " convbert "},
    {"SqueezeBert", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " squeezebert "},
    {"LayoutLM", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " layoutlm "},
    {"Lxmert", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " lxmert "},
    {"DPRContextEncoder", LT_FORM_BERT, bert, .bert = true, .clean_up = true},
    {"DPRQuestionEncoder", LT_FORM_BERT, bert, .bert = true, .clean_up = true, .models = " dpr "},
    {"MPNet", LT_FORM_MPNET, mpnet, .bert = true, .clean_up = true, .models = " mpnet "},
    {"GPT2", LT_FORM_GPT2, gpt2,
     .models =
         " gpt2 gpt_bigcode gpt_neo gptj opt starcoder2 olmo3 flex_olmo exaone4 dbrx emu3 minimax blip-2 instructblip instructblipvideo "},
    {"Roberta", LT_FORM_ROBERTA, roberta, .models = " roberta roberta-prelayernorm bridgetower clap data2vec-text ibert mega mra "},
    {"Longformer", LT_FORM_ROBERTA, roberta, .models = " longformer "},
    {"Deberta", LT_FORM_DEBERTA, deberta, .models = " deberta "},
    {"Qwen2", LT_FORM_QWEN2, qwen2,
     .models = " qwen2 qwen2_moe qwen2_vl qwen2_5_vl qwen2_5_omni qwen2_audio qwen3 qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl "
               "qwen3_vl_moe colqwen2 internvl "},
    {"Llama", LT_FORM_LLAMA, llama, .framed = true, .bos = true,
     .models = " llama llama4 llama4_text mistral mixtral phi3 phimoe arcee aria chameleon colpali deepseek_v2 deepseek_v3 deepseek_vl "
               "deepseek_vl_hybrid diffllama "
               "ernie4_5 ernie4_5_moe idefics idefics2 idefics3 jamba janus jetmoe llava llava_next llava_next_video llava_onevision "
               "mllama paligemma persimmon "
               "video_llava vipllava voxtral zamba zamba2 "},
    {"Gemma", LT_FORM_GEMMA, gemma, .framed = true, .bos = true,
     .models = " gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma shieldgemma2 siglip2 t5gemma "},
    {"DebertaV2", LT_FORM_DEBERTA_V2, deberta_v2, .models = " deberta-v2 "},
    {"XLMRoberta", LT_FORM_XLM_ROBERTA, xlm_roberta, .models = " xlm-roberta xlm-roberta-xl xmod kosmos-2 metaclip_2 "},
    {"T5", LT_FORM_T5, t5, .models = " t5 mt5 umt5 longt5 switch_transformers musicgen musicgen_melody pix2struct "},
    {"MT5", LT_FORM_T5, t5, .models = NULL},
    {"Albert", LT_FORM_ALBERT, albert, .models = " albert nystromformer yoso "},
    {"Camembert", LT_FORM_CAMEMBERT, camembert, .models = " camembert "},
    {"GPTNeoX", LT_FORM_JSON, gpt2, .framed = true,
     .models = " gpt_neox falcon_mamba mamba mamba2 mpt olmo olmo2 olmoe rwkv stablelm xlstm "},
    {"Cohere", LT_FORM_JSON, cohere, .framed = true, .bos = true, .models = " cohere cohere2 aya_vision "},
    {"CodeLlama", LT_FORM_JSON, llama, .framed = true, .bos = true, .models = " code_llama "},
    {"LayoutLMv2", LT_FORM_JSON, bert, .bert = true, .models = " layoutlmv2 "},
    {"Splinter", LT_FORM_JSON, bert, .bert = true, .models = " splinter "},
    {"Funnel", LT_FORM_JSON, none, .bert = true, .models = " funnel "},
    {"PreTrained", LT_FORM_JSON, none, .models = " modernbert falcon glm glm4 glm4_moe gpt_oss helium nemotron smollm3 bitnet "},
};
enum { CLASSES = sizeof classes / sizeof *classes };

const lt_tok_class *lt_tok_impl_class(const char *name) {
    static const char *const ends[] = {"Fast", "Tokenizer"};
    size_t n = strlen(name);
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && !strncmp(name + n - k, ends[i], k)) n -= k;
    }
    for (int i = 0; i < CLASSES; i++)
        if (strlen(classes[i].name) == n && !strncmp(classes[i].name, name, n)) return &classes[i];
    return NULL;
}

const lt_tok_class *lt_tok_impl_class_of_model(const char *model_type) {
    char word[80];
    if (strlen(model_type) > 70 || strchr(model_type, ' ')) return NULL;
    (void)snprintf(word, sizeof word, " %s ", model_type);
    for (int i = 0; i < CLASSES; i++)
        if (classes[i].models && strstr(classes[i].models, word)) return &classes[i];
    return NULL;
}

lt_tok_files lt_tok_impl_class_files(const lt_tok_class *c) {
    if (c->form == LT_FORM_JSON) return LT_FILES_NONE;
    return c->form < LT_FORM_GPT2 ? LT_FILES_VOCAB_TXT : c->form < LT_FORM_LLAMA ? LT_FILES_VOCAB_JSON : LT_FILES_SENTENCEPIECE;
}

lt_status lt_tok_impl_class_for(const json_t *config, lt_tok_files kind, const char *path, const lt_tok_class **c) {
    static const char *const of[] = {"a tokenizer.json", "vocab.txt", "vocab.json and merges.txt", "a sentencepiece model"};
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    char known[600];
    size_t n = 0;
    for (int i = 0; i < CLASSES; i++)
        if (lt_tok_impl_class_files(&classes[i]) == kind && n < sizeof known)
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", classes[i].name);
    LT_CHECK(name, LT_ERR_FORMAT,
             "%s: no tokenizer_config.json or config.json beside it says of which class it is: set \"tokenizer_class\" (%s)", path, known);
    *c = lt_tok_impl_class(name);
    LT_CHECK(*c, LT_ERR_FORMAT, "%s: tokenizers of class \"%.60s\" are opened only from a tokenizer.json; from %s: %s", path, name,
             of[kind], known);
    LT_CHECK(lt_tok_impl_class_files(*c) == kind, LT_ERR_FORMAT, "%s: tokenizers of class \"%.60s\" are opened from %s; from %s: %s", path,
             name, of[lt_tok_impl_class_files(*c)], of[kind], known);
    return LT_OK;
}
