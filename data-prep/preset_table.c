/* The data sets that are known by name.  Class numbers are those of the authors' files (from 1) and of the libraries' exports (from 0); where a form can have
 * both, base -1 lets the file decide.  The words are what label tuning reads for a label, so they are plain English and not the names in the files. */
#include "preset.h"

#define N(a) (int)(sizeof(a) / sizeof *(a))
#define COLUMN(...)                                                                                                                        \
    {                                                                                                                                      \
        .name = { __VA_ARGS__ }                                                                                                            \
    }
#define LABELS(l)     .n_labels = N(l##_names), .label_name = l##_names, .label_words = l##_words
#define FORMS(f)      .form = f, .n_forms = N(f)
#define TAGS(t)       .n_tags = N(t), .tag_name = t
#define MAP(m)        .n_map = N(m), .map = m
#define ANY_FILE(...) "header or JSONL with " __VA_ARGS__

/* --- texts -------------------------------------------------------------------------------------------------------------------------- */

static const char *const polarity_names[] = {"negative", "positive"}, *const polarity_words[] = {"negative", "positive"};
static const prep_map polarity_map[] = {{"neg", "negative"}, {"pos", "positive"}};

static const prep_layout sst2[] = {{.text = {COLUMN("sentence", "content", "text")},
                                    .label = COLUMN("label"),
                                    .about = ANY_FILE("sentence (or content, text) and label 0, 1")}};

static const char *const sst5_names[] = {"very negative", "negative", "neutral", "positive", "very positive"};
static const char *const sst5_words[] = {"terrible", "bad", "okay", "good", "great"};
static const prep_layout sst5[] = {
    {.text = {COLUMN("sentence", "text")}, .label = COLUMN("label"), .about = ANY_FILE("sentence (or text) and label 0 to 4")},
    {.format = PREP_TREES, .about = "the authors' trees, one a line, with labels 0 to 4"}};

static const char *const cola_names[] = {"unacceptable", "acceptable"}, *const cola_words[] = {"unacceptable", "acceptable"};
static const prep_layout cola[] = {
    {.text = {COLUMN("sentence", "text")}, .label = COLUMN("label"), .about = ANY_FILE("sentence and label 0, 1")},
    {.format = PREP_TSV,
     .header = PREP_HEADER_NO,
     .columns = 4,
     .text = {{.number = 4}},
     .label = {.number = 2},
     .about = "TSV of 4 columns without header: source, label 0 or 1, mark, sentence"}};

static const char *const rte_names[] = {"entailment", "not_entailment"}, *const rte_words[] = {"entailment", "not entailment"};
static const prep_layout rte[] = {{.text = {COLUMN("sentence1", "premise", "text1")},
                                   .pair = COLUMN("sentence2", "hypothesis", "text2"),
                                   .label = COLUMN("label"),
                                   .about = ANY_FILE("sentence1, sentence2 and label (entailment, not_entailment, or 0, 1)")}};

static const char *const mnli_names[] = {"entailment", "neutral", "contradiction"}, *const mnli_words[] = {"entailment", "neutral",
                                                                                                           "contradiction"};
static const prep_layout mnli[] = {
    {.text = {COLUMN("sentence1", "premise", "text1")},
     .pair = COLUMN("sentence2", "hypothesis", "text2"),
     .label = COLUMN("gold_label", "label"),
     .about = ANY_FILE("sentence1 (premise), sentence2 (hypothesis) and gold_label (label), names or 0, 1, 2")}};

static const char *const agnews_names[] = {"World", "Sports", "Business", "Sci/Tech"};
static const char *const agnews_words[] = {"world", "sports", "business", "technology"};
static const prep_layout agnews[] = {
    {.text = {COLUMN("title"), COLUMN("description")},
     .label = COLUMN("class index", "class"),
     .base = 1,
     .about = ANY_FILE("class (or class index) 1 to 4, title, description")},
    {.text = {COLUMN("title"), COLUMN("description")},
     .label = COLUMN("label"),
     .base = -1,
     .about = ANY_FILE("label 0 to 3 or 1 to 4, title, description")},
    {.text = {COLUMN("text")}, .label = COLUMN("label"), .base = -1, .about = ANY_FILE("text and label, 0 to 3 or 1 to 4")},
    {.format = PREP_CSV,
     .header = PREP_HEADER_NO,
     .columns = 3,
     .text = {{.number = 2}, {.number = 3}},
     .label = {.number = 1},
     .base = 1,
     .about = "the authors' CSV without header: class 1 to 4, title, description"},
    {.format = PREP_CSV,
     .header = PREP_HEADER_NO,
     .columns = 2,
     .text = {{.number = 1}},
     .label = {.number = 2},
     .base = -1,
     .about = "CSV without header: text, label 0 to 3 or 1 to 4"}};

static const char *const twitterfin_names[] = {"Bearish", "Bullish", "Neutral"}, *const twitterfin_words[] = {"bearish", "bullish",
                                                                                                              "neutral"};
static const prep_layout twitterfin[] = {{.text = {COLUMN("text", "sentence")},
                                          .label = COLUMN("label"),
                                          .about = ANY_FILE("text and label 0 (Bearish), 1 (Bullish), 2 (Neutral)")}};

static const prep_layout imdb[] = {{.text = {COLUMN("text", "review")},
                                    .label = COLUMN("label", "sentiment"),
                                    MAP(polarity_map),
                                    .about = ANY_FILE("text (or review) and label (or sentiment), 0, 1 or negative, positive")}};

static const prep_layout yelp[] = {
    {.text = {COLUMN("text")}, .label = COLUMN("label"), .base = -1, .about = ANY_FILE("text and label, 0, 1 or 1, 2")},
    {.format = PREP_CSV,
     .header = PREP_HEADER_NO,
     .columns = 2,
     .text = {{.number = 2}},
     .label = {.number = 1},
     .base = 1,
     .about = "the authors' CSV without header: class 1 (negative) or 2, text"}};

static const char *const stars_names[] = {"1 star", "2 stars", "3 stars", "4 stars", "5 stars"};
static const char *const stars_words[] = {"terrible", "bad", "okay", "good", "great"};
static const prep_map stars_map[] = {{"2 star", "2 stars"}, {"3 star", "3 stars"}, {"4 star", "4 stars"}, {"5 star", "5 stars"}};
static const prep_layout yelp_full[] = {
    {.text = {COLUMN("text")}, .label = COLUMN("stars"), .base = 1, MAP(stars_map), .about = ANY_FILE("text and stars 1 to 5")},
    {.text = {COLUMN("text")}, .label = COLUMN("label"), .base = -1, MAP(stars_map), .about = ANY_FILE("text and label, 0 to 4 or 1 to 5")},
    {.format = PREP_CSV,
     .header = PREP_HEADER_NO,
     .columns = 2,
     .text = {{.number = 2}},
     .label = {.number = 1},
     .base = 1,
     .about = "the authors' CSV without header: class 1 to 5, text"}};
static const prep_layout amazon[] = {{.text = {COLUMN("reviewText", "review_body", "text", "content")},
                                      .label = COLUMN("overall", "stars", "star_rating", "rating"),
                                      .base = 1,
                                      MAP(stars_map),
                                      .about = ANY_FILE("reviewText (review_body, text) and overall (stars, rating) 1 to 5")},
                                     {.text = {COLUMN("text", "content")},
                                      .label = COLUMN("label"),
                                      .base = -1,
                                      MAP(stars_map),
                                      .about = ANY_FILE("text and label, 0 to 4 or 1 to 5")},
                                     {.format = PREP_CSV,
                                      .header = PREP_HEADER_NO,
                                      .columns = 3,
                                      .text = {{.number = 2}, {.number = 3}},
                                      .label = {.number = 1},
                                      .base = 1,
                                      .about = "the authors' CSV without header: class 1 to 5, title, text"}};

static const char *const trec_names[] = {"ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"};
static const char *const trec_words[] = {"abbreviation", "entity", "description", "human", "location", "number"};
static const prep_map trec_old[] = {{"0", "DESC"}, {"1", "ENTY"}, {"2", "ABBR"}, {"3", "HUM"}, {"4", "NUM"}, {"5", "LOC"}};
static const prep_layout trec[] = {
    {.text = {COLUMN("text")}, .label = COLUMN("label-coarse"), MAP(trec_old), .about = ANY_FILE("text and label-coarse (0 is DESC)")},
    {.text = {COLUMN("text")}, .label = COLUMN("coarse_label"), .about = ANY_FILE("text and coarse_label (0 is ABBR)")},
    {.format = PREP_TSV,
     .separator = ' ',
     .header = PREP_HEADER_NO,
     .columns = 2,
     .rest = true,
     .text = {{.number = 2}},
     .label = {.number = 1},
     .label_end = ':',
     .about = "the authors' lines COARSE:fine QUESTION"}};

/* --- words -------------------------------------------------------------------------------------------------------------------------- */

static const char *const conll_names[] = {"PER", "ORG", "LOC", "MISC"}, *const conll_words[] = {"person", "organization", "location",
                                                                                                "miscellaneous"};
static const char *const conll_tags[] = {"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"};
static const char *const conll_tner[] = {"O", "B-ORG", "B-MISC", "B-PER", "I-PER", "B-LOC", "I-ORG", "I-MISC", "I-LOC"};
static const prep_layout conll2003[] = {
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens", "words")},
     .label = COLUMN("ner_tags", "ner"),
     TAGS(conll_tags),
     .about = "JSONL with tokens and ner_tags: names, or 0 to 8 (1 is B-PER)"},
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens")},
     .label = COLUMN("tags"),
     TAGS(conll_tner),
     .about = "JSONL with tokens and tags: names, or 0 to 8 (1 is B-ORG)"},
    {.format = PREP_CONLL, .text = {{.number = 1}}, .label = {.number = -1}, .about = "CoNLL columns: the word first, its tag last"}};

static const char *const onto_names[] = {"PERSON",  "NORP",  "FAC",      "ORG",     "GPE",      "LOC",   "PRODUCT",     "DATE", "TIME",
                                         "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL", "EVENT", "WORK_OF_ART", "LAW",  "LANGUAGE"};
static const char *const onto_words[] = {"person",  "group",    "facility", "organization", "country", "location",
                                         "product", "date",     "time",     "percent",      "money",   "quantity",
                                         "ordinal", "cardinal", "event",    "work",         "law",     "language"};
/* One number a type, at the first word of each span alone. */
static const char *const onto_begin[] = {"O",         "B-NORP",    "B-PERSON",   "B-WORK_OF_ART", "B-QUANTITY", "B-EVENT", "B-DATE",
                                         "B-TIME",    "B-PERCENT", "B-LANGUAGE", "B-ORG",         "B-CARDINAL", "B-LAW",   "B-GPE",
                                         "B-PRODUCT", "B-LOC",     "B-MONEY",    "B-ORDINAL",     "B-FAC"};
static const char *const onto_conll2012[] = {
    "O",          "B-PERSON",   "I-PERSON",  "B-NORP",  "I-NORP",        "B-FAC",         "I-FAC",      "B-ORG",     "I-ORG",
    "B-GPE",      "I-GPE",      "B-LOC",     "I-LOC",   "B-PRODUCT",     "I-PRODUCT",     "B-DATE",     "I-DATE",    "B-TIME",
    "I-TIME",     "B-PERCENT",  "I-PERCENT", "B-MONEY", "I-MONEY",       "B-QUANTITY",    "I-QUANTITY", "B-ORDINAL", "I-ORDINAL",
    "B-CARDINAL", "I-CARDINAL", "B-EVENT",   "I-EVENT", "B-WORK_OF_ART", "I-WORK_OF_ART", "B-LAW",      "I-LAW",     "B-LANGUAGE",
    "I-LANGUAGE"};
static const char *const onto_tner[] = {"O",         "B-CARDINAL", "B-DATE",  "I-DATE",     "B-PERSON",      "I-PERSON",      "B-NORP",
                                        "B-GPE",     "I-GPE",      "B-LAW",   "I-LAW",      "B-ORG",         "I-ORG",         "B-PERCENT",
                                        "I-PERCENT", "B-ORDINAL",  "B-MONEY", "I-MONEY",    "B-WORK_OF_ART", "I-WORK_OF_ART", "B-FAC",
                                        "B-TIME",    "I-CARDINAL", "B-LOC",   "B-QUANTITY", "I-QUANTITY",    "I-NORP",        "I-LOC",
                                        "B-PRODUCT", "I-TIME",     "B-EVENT", "I-EVENT",    "I-FAC",         "B-LANGUAGE",    "I-PRODUCT",
                                        "I-ORDINAL", "I-LANGUAGE"};
static const prep_layout ontonotes5[] = {
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens", "words")},
     .label = COLUMN("ner_tags"),
     TAGS(onto_begin),
     .about = "JSONL with tokens and ner_tags: names, or 0 to 18, a number a type (1 is NORP) at the first word of a span"},
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens", "words")},
     .label = COLUMN("ner_tags", "named_entities"),
     TAGS(onto_conll2012),
     .about = "JSONL with tokens and ner_tags (words and named_entities): 0 to 36 (1 is B-PERSON)"},
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens")},
     .label = COLUMN("tags"),
     TAGS(onto_tner),
     .about = "JSONL with tokens and tags: names, or 0 to 36 (1 is B-CARDINAL)"},
    {.format = PREP_CONLL, .text = {{.number = 1}}, .label = {.number = -1}, .about = "CoNLL columns: the word first, its tag last"}};

static const char *const wnut_names[] = {"corporation", "creative-work", "group", "location", "person", "product"};
static const char *const wnut_words[] = {"corporation", "work", "group", "location", "person", "product"};
static const char *const wnut_tags[] = {"O",        "B-corporation", "I-corporation", "B-creative-work", "I-creative-work",
                                        "B-group",  "I-group",       "B-location",    "I-location",      "B-person",
                                        "I-person", "B-product",     "I-product"};
static const char *const wnut_tner[] = {
    "B-corporation",   "B-creative-work", "B-group",    "B-location", "B-person",  "B-product", "I-corporation",
    "I-creative-work", "I-group",         "I-location", "I-person",   "I-product", "O"};
static const prep_layout wnut17[] = {
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens", "words")},
     .label = COLUMN("ner_tags"),
     TAGS(wnut_tags),
     .about = "JSONL with tokens and ner_tags: names, or 0 to 12 (1 is B-corporation)"},
    {.format = PREP_JSONL,
     .text = {COLUMN("tokens")},
     .label = COLUMN("tags"),
     TAGS(wnut_tner),
     .about = "JSONL with tokens and tags: names, or 0 to 12 (0 is B-corporation, 12 is O)"},
    {.format = PREP_CONLL, .text = {{.number = 1}}, .label = {.number = 2}, .about = "CoNLL columns: word, tag"}};

/* --- all ---------------------------------------------------------------------------------------------------------------------------- */

const prep_preset prep_presets[] = {
    {.name = "sst2", .about = "SST-2, film reviews", .metric = "accuracy", LABELS(polarity), FORMS(sst2)},
    {.name = "sst5", .about = "SST-5, film reviews, five grades", .metric = "accuracy", LABELS(sst5), FORMS(sst5)},
    {.name = "cola",
     .about = "CoLA, acceptability of sentences",
     .metric = "matthews",
     LABELS(cola),
     FORMS(cola),
     .file = {{"in_domain_train", "train"}, {"in_domain_dev", "dev"}}},
    {.name = "rte", .about = "RTE, entailment of two sentences", .metric = "accuracy", LABELS(rte), FORMS(rte)},
    {.name = "mnli",
     .about = "MultiNLI, entailment of two sentences, three labels; dev is matched, dev_mismatched stands beside it",
     .metric = "accuracy",
     LABELS(mnli),
     FORMS(mnli),
     .file = {{"multinli_1.0_train", "train"},
              {"dev_matched", "dev"},
              {"validation_matched", "dev"},
              {"multinli_1.0_dev_matched", "dev"},
              {"dev_mismatched", "dev_mismatched"},
              {"validation_mismatched", "dev_mismatched"},
              {"multinli_1.0_dev_mismatched", "dev_mismatched"},
              {"test_matched", "test"},
              {"test_mismatched", "test_mismatched"}}},
    {.name = "agnews",
     .about = "AG News, topics of news; title and description are joined by a space",
     .metric = "accuracy",
     LABELS(agnews),
     FORMS(agnews),
     .file = {{"train_5k_subset", "train"}}},
    {.name = "twitterfin",
     .about = "Twitter financial news, sentiment",
     .metric = "accuracy",
     LABELS(twitterfin),
     FORMS(twitterfin),
     .file = {{"sent_train", "train"}, {"sent_valid", "dev"}}},
    {.name = "imdb",
     .about = "IMDb, film reviews",
     .metric = "accuracy",
     LABELS(polarity),
     FORMS(imdb),
     .file = {{"IMDB Dataset", "train"}}},
    {.name = "yelp", .about = "Yelp reviews, polarity", .metric = "accuracy", LABELS(polarity), FORMS(yelp)},
    {.name = "yelp_full", .about = "Yelp reviews, one to five stars", .metric = "accuracy", LABELS(stars), FORMS(yelp_full)},
    {.name = "amazon", .about = "Amazon reviews, one to five stars", .metric = "accuracy", LABELS(stars), FORMS(amazon)},
    {.name = "trec",
     .about = "TREC questions, six coarse classes",
     .metric = "accuracy",
     LABELS(trec),
     FORMS(trec),
     .file = {{"train_5500", "train"}, {"TREC_10", "test"}}},
    {.name = "conll2003",
     .about = "CoNLL-2003, names in news",
     .metric = "f1",
     .words = true,
     LABELS(conll),
     FORMS(conll2003),
     .file = {{"eng.train", "train"}, {"eng.testa", "dev"}, {"eng.testb", "test"}}},
    {.name = "ontonotes5", .about = "OntoNotes 5, names of 18 types", .metric = "f1", .words = true, LABELS(onto), FORMS(ontonotes5)},
    {.name = "wnut17",
     .about = "WNUT-17, emerging names in tweets and posts",
     .metric = "f1",
     .words = true,
     LABELS(wnut),
     FORMS(wnut17),
     .file = {{"wnut17train", "train"}, {"emerging.dev", "dev"}, {"emerging.test", "test"}}},
    {.name = NULL},
};
