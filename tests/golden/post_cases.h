#pragma once
/* Made by make_post_cases.py from Hugging Face's tokenizers 0.22.1. */
// clang-format off
typedef struct post_list { int n; int32_t item[16], type[16]; } post_list;
enum { POST_VOCAB = 8 };
static const struct post_case { const char *json; post_list single, pair; } post_cases[] = {
    {
     "null",
     {1, {LT_TPL_FIRST}, {0}},
     {2, {LT_TPL_FIRST, LT_TPL_SECOND}, {0, 1}}},
    {
     "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
     {1, {LT_TPL_FIRST}, {0}},
     {2, {LT_TPL_FIRST, LT_TPL_SECOND}, {0, 1}}},
    {
     "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",5],\"cls\":[\"[CLS]\",4]}",
     {3, {4, LT_TPL_FIRST, 5}, {0, 0, 0}},
     {5, {4, LT_TPL_FIRST, 5, LT_TPL_SECOND, 5}, {0, 0, 0, 1, 1}}},
    {
     "{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",3],\"cls\":[\"<s>\",2],\"trim_offsets\":true,\"add_prefix_space\":false}",
     {3, {2, LT_TPL_FIRST, 3}, {0, 0, 0}},
     {6, {2, LT_TPL_FIRST, 3, 3, LT_TPL_SECOND, 3}, {0, 0, 0, 0, 0, 0}}},
    {
     "{\"type\":\"Sequence\",\"processors\":[]}",
     {1, {LT_TPL_FIRST}, {0}},
     {2, {LT_TPL_FIRST, LT_TPL_SECOND}, {0, 1}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
     ",{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\""
     "A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},{\"SpecialToken\":{\"id"
     "\":\"[SEP]\",\"type_id\":1}}],\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[4],\"tokens\":[\"[CLS]\"]},\"[SEP]\":{\"id\":\"[SEP]"
     "\",\"ids\":[5],\"tokens\":[\"[SEP]\"]}}}",
     {3, {4, LT_TPL_FIRST, 5}, {0, 0, 0}},
     {5, {4, LT_TPL_FIRST, 5, LT_TPL_SECOND, 5}, {0, 0, 0, 1, 1}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
     "\"pair\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<s>\",\""
     "type_id\":1}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[2],\"tokens\":[\"<s>\"]}}}",
     {2, {2, LT_TPL_FIRST}, {0, 0}},
     {4, {2, LT_TPL_FIRST, 2, LT_TPL_SECOND}, {0, 0, 1, 1}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":"
     "0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{}}",
     {1, {LT_TPL_FIRST}, {0}},
     {2, {LT_TPL_FIRST, LT_TPL_SECOND}, {0, 1}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":3}},{\"SpecialToken\":{\"id\":\"en\",\"type_id\":2}}],"
     "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":3}},{\"SpecialToken\":{\"id\":\"en\",\"type_id\":2}},{\"Sequence\":{\"id\":\"B\",\"type_id"
     "\":5}}],\"special_tokens\":{\"en\":{\"id\":\"en\",\"ids\":[6],\"tokens\":[\"en\"]}}}",
     {2, {LT_TPL_FIRST, 6}, {3, 2}},
     {3, {LT_TPL_FIRST, 6, LT_TPL_SECOND}, {3, 2, 5}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"lang\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
     "{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":\"lang\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\""
     ",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"lang\",\"type_id\":7}},{\"SpecialToken\":{\"id\":\""
     "</s>\",\"type_id\":9}}],\"special_tokens\":{\"</s>\":{\"id\":\"</s>\",\"ids\":[3],\"tokens\":[\"</s>\"]},\"lang\":{\"id\":\"lang\",\"ids\":["
     "6,7,6],\"tokens\":[\"en\",\"XX\",\"en\"]}}}",
     {5, {6, 7, 6, LT_TPL_FIRST, 3}, {0, 0, 0, 0, 0}},
     {9, {6, 7, 6, LT_TPL_FIRST, LT_TPL_SECOND, 6, 7, 6, 3}, {0, 0, 0, 0, 0, 7, 7, 7, 9}}},
    {
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"none\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]"
     ",\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"none\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type"
     "_id\":0}},{\"SpecialToken\":{\"id\":\"none\",\"type_id\":0}}],\"special_tokens\":{\"none\":{\"id\":\"none\",\"ids\":[],\"tokens\":[]}}}",
     {1, {LT_TPL_FIRST}, {0}},
     {2, {LT_TPL_FIRST, LT_TPL_SECOND}, {0, 0}}},
    {
     "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},{\"type"
     "\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Speci"
     "alToken\":{\"id\":\"</s>\",\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_i"
     "d\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\""
     "type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],\"special_tokens\":{\"</s>\":{\"id\":\"</s>\",\"ids\":[3],\"tokens\":[\"</"
     "s>\"]},\"<s>\":{\"id\":\"<s>\",\"ids\":[2],\"tokens\":[\"<s>\"]}}}]}",
     {3, {2, LT_TPL_FIRST, 3}, {0, 0, 0}},
     {6, {2, LT_TPL_FIRST, 3, 3, LT_TPL_SECOND, 3}, {0, 0, 0, 0, 0, 0}}},
    {
     "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",5],\"cls\":[\"[CLS]\",4]},{\"type\":\"Sequence\",\"pr"
     "ocessors\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}]}]}",
     {3, {4, LT_TPL_FIRST, 5}, {0, 0, 0}},
     {5, {4, LT_TPL_FIRST, 5, LT_TPL_SECOND, 5}, {0, 0, 0, 1, 1}}},
};
