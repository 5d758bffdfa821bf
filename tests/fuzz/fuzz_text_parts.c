/* Components of a tokenizer.json, one of each kind and setting at least, and the words they are made of.  Quotes are single ones here. */
#include "fuzz_text.h"

char *fuzz_text_json(const char *s) {
    size_t n = 0;
    char *json = malloc(strlen(s) + 1);
    FUZZ_REQUIRE(json);
    for (; *s; s++) {
        bool plain = *s == '\\' && s[1] == '\'';
        s += plain;
        json[n++] = *s == '\'' && !plain ? '"' : *s;
    }
    json[n] = 0;
    return json;
}

const char *const fuzz_normalizers[] = {
    "null",
    "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,'lowercase':true}",
    "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':true,'strip_accents':true,'lowercase':false}",
    "{'type':'ByteLevel'}",
    "{'type':'Lowercase'}",
    "{'type':'NFC'}",
    "{'type':'NFD'}",
    "{'type':'NFKC'}",
    "{'type':'NFKD'}",
    "{'type':'Nmt'}",
    "{'type':'Precompiled','precompiled_charsmap':'EAAAAAAEAAABAAAAAgAAAAMAAAB4AA=='}",
    "{'type':'Prepend','prepend':'\xE2\x96\x81'}",
    "{'type':'Replace','pattern':{'String':' '},'content':'\xE2\x96\x81'}",
    "{'type':'Replace','pattern':{'Regex':' {2,}|\\\\p{Cc}+'},'content':' '}",
    "{'type':'Replace','pattern':{'String':''},'content':'x'}",
    "{'type':'Replace','pattern':{'Regex':'(?=[aeiou])'},'content':'aa'}",
    "{'type':'Strip','strip_left':true,'strip_right':false}",
    "{'type':'StripAccents'}",
    "{'type':'Sequence','normalizers':[{'type':'NFD'},{'type':'Lowercase'},{'type':'StripAccents'},{'type':'Sequence','normalizers':[{'"
    "type'"
    ":'Replace','pattern':{'String':'a'},'content':'aa'}]}]}",
    NULL};

const char *const fuzz_pretokenizers[] = {
    "null",
    "{'type':'BertPreTokenizer'}",
    "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}",
    "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':false}",
    "{'type':'CharDelimiterSplit','delimiter':'a'}",
    "{'type':'Digits','individual_digits':true}",
    "{'type':'Digits','individual_digits':false}",
    "{'type':'FixedLength','length':3}",
    "{'type':'Metaspace','replacement':'\xE2\x96\x81','prepend_scheme':'always','split':true}",
    "{'type':'Metaspace','replacement':'_','prepend_scheme':'first','split':false}",
    "{'type':'Metaspace','replacement':'\xE2\x96\x81','prepend_scheme':'never'}",
    "{'type':'Punctuation','behavior':'Contiguous'}",
    "{'type':'Split','pattern':{'Regex':'(?i:\\'s|\\'t|\\'re)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+'},'behavior':'Isolated','invert':false}",
    "{'type':'Split','pattern':{'Regex':'(?<=[a-z&&[^x]])(?>b|bc)*+|\\\\b(?<n>\\\\R|[[:upper:]])+?|^.$'},'behavior':'MergedWithPrevious','"
    "invert':"
    "true}",
    "{'type':'Split','pattern':{'Regex':'(a*)*b|(?m:.*?)\\\\z'},'behavior':'MergedWithNext','invert':false}",
    "{'type':'Split','pattern':{'String':'-'},'behavior':'Removed','invert':true}",
    "{'type':'Whitespace'}",
    "{'type':'WhitespaceSplit'}",
    "{'type':'Sequence','pretokenizers':[{'type':'WhitespaceSplit'},{'type':'Punctuation','behavior':'Isolated'}]}",
    NULL};

const char *const fuzz_posts[] = {"null",
                                  "{'type':'BertProcessing','sep':['b',1],'cls':['a',0]}",
                                  "{'type':'RobertaProcessing','sep':['b',1],'cls':['a',0],'trim_offsets':true,'add_prefix_space':false}",
                                  "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':false,'use_regex':true}",
                                  "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'a','type_id':0}},{'Sequence':{'id':'A','"
                                  "type_id':0}}],'pair':[{'Sequence':"
                                  "{'id':'A','type_id':0}},{'SpecialToken':{'id':'a','type_id':0}},{'Sequence':{'id':'B','type_id':1}},{'"
                                  "SpecialToken':{'id':'a','type_id':1}}"
                                  "],'special_tokens':{'a':{'id':'a','ids':[0,1],'tokens':['a','b']}}}",
                                  "{'type':'Sequence','processors':[{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':false},{'"
                                  "type':'BertProcessing','sep':['b',1],"
                                  "'cls':['a',0]}]}",
                                  NULL};

const char *const fuzz_decoders[] = {
    "null",
    "{'type':'ByteLevel'}",
    "{'type':'WordPiece','prefix':'##','cleanup':true}",
    "{'type':'Metaspace','replacement':'\xE2\x96\x81','prepend_scheme':'always','split':true}",
    "{'type':'Replace','pattern':{'String':'a'},'content':'aa'}",
    "{'type':'Replace','pattern':{'Regex':'(a|b)+?|$'},'content':'ba'}",
    "{'type':'Replace','pattern':{'String':''},'content':'-'}",
    "{'type':'Fuse'}",
    "{'type':'ByteFallback'}",
    "{'type':'Strip','content':' ','start':1,'stop':2}",
    "{'type':'BPEDecoder','suffix':'</w>'}",
    "{'type':'CTC','pad_token':'a','word_delimiter_token':'|','cleanup':true}",
    "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'\xE2\x96\x81'},'content':' "
    "'},{'type':'ByteFallback'},{'type':'Fuse'},"
    "{'type':'Strip','content':' ','start':1,'stop':0}]}",
    "{'type':'Sequence','decoders':[{'type':'ByteLevel'},{'type':'BPEDecoder','suffix':' '},{'type':'Sequence','decoders':[{'type':'CTC',"
    "'pad_token':'','word_delimiter_token':'','cleanup':false}]}]}",
    NULL};

const char *const fuzz_models[] = {
    "{'type':'BPE','unk_token':'?','continuing_subword_prefix':null,'end_of_word_suffix':null,'fuse_unk':true,'byte_fallback':true,"
    "'ignore_merges':false,'dropout':null,'vocab':{'a':0,'b':1,'?':2,'\xE2\x96\x81':3,' ':4,'ab':5,'aab':6,'\xE2\x96\x81"
    "ab':7,'<0xC3>':8,'<0xA9>':9,'<0x0A>':10,'\xC4\xA0':11,'e':12,'\xC4\xA0"
    "ab':13},'merges':[['a','b'],['a','ab'],['\xE2\x96\x81','ab'],['\xC4\xA0','ab']]}",
    "{'type':'BPE','unk_token':null,'continuing_subword_prefix':'##','end_of_word_suffix':'</w>','fuse_unk':false,'byte_fallback':false,"
    "'ignore_merges':true,'vocab':{'a':0,'b':1,'##a':2,'##b':3,'ab':4,'##ab':5,'##b</w>':6,'ab</w>':7},'merges':['a ##b','##a ##b','a "
    "##b</w>']"
    "}",
    "{'type':'WordPiece','unk_token':'[UNK]','continuing_subword_prefix':'##','max_input_chars_per_word':100,'vocab':{'[UNK]':0,'b':1,'a':"
    "2,"
    "'film':3,'##s':4,'.':5,'##ilm':6,'f':7,'\xE4\xB8\xAD':8}}",
    "{'type':'Unigram','unk_id':0,'byte_fallback':true,'vocab':[['<unk>',0],['\xE2\x96\x81',-2.5],['a',-1.25],['b',-3],['ab',-2],['"
    "\xE2\x96\x81"
    "film',-4.5],['<0xC3>',-9],['<0xA9>',-9],['e',-3e-1]]}",
    "{'type':'Unigram','unk_id':null,'vocab':[['a',-1],['b',-1],[' ',-2],['aa',-2.0000001]]}",
    NULL};

const char *const fuzz_added[] = {
    "{'id':20,'content':'<ent>','single_word':false,'lstrip':false,'rstrip':false,'normalized':true,'special':false}",
    "{'id':21,'content':'[MASK]','single_word':false,'lstrip':true,'rstrip':false,'normalized':false,'special':true}",
    "{'id':22,'content':'films','single_word':true,'lstrip':false,'rstrip':true,'normalized':false,'special':false}",
    "{'id':23,'content':'  ','single_word':false,'lstrip':false,'rstrip':true,'normalized':false,'special':false}",
    "{'id':24,'content':'\xC3\x89t','single_word':true,'lstrip':true,'rstrip':true,'normalized':true,'special':true}",
    NULL};

const char *const fuzz_configs[] = {
    "{'tokenizer_class':'BertTokenizer','do_lower_case':false,'strip_accents':true,'tokenize_chinese_chars':false,'added_tokens_decoder':"
    "{'16':{'content':'<x>','special':true},'0':{'content':'[UNK]','special':true}}}",
    "{'tokenizer_class':'LlamaTokenizer','add_bos_token':true,'add_eos_token':true,'legacy':false,'bos_token':{'content':'<s>','lstrip':"
    "true},"
    "'eos_token':'</s>','unk_token':'<unk>','additional_special_tokens':['<a>',{'content':'b'}]}",
    "{'tokenizer_class':'GPT2Tokenizer','add_prefix_space':true,'add_bos_token':true,'bos_token':'a','clean_up_tokenization_spaces':true}",
    "{'tokenizer_class':'T5Tokenizer','extra_ids':3,'extra_special_tokens':{'x':'<y>'},'truncation_side':'right'}",
    "{'tokenizer_class':'RobertaTokenizer','cls_token':'<s>','mask_token':{'content':'<mask>','lstrip':true}}",
    "{'tokenizer_class':'DebertaV2Tokenizer','split_by_punct':true,'do_lower_case':true}",
    "{'tokenizer_class':'AlbertTokenizer','keep_accents':true,'do_lower_case':false}",
    "{'tokenizer_class':'PreTrainedTokenizerFast','split_special_tokens':false,'pad_token':'<pad>'}",
    NULL};

const char *const fuzz_words[] = {"\"type\":",
                                  "\"id\":",
                                  "\"content\":",
                                  "\"special\":",
                                  "\"single_word\":",
                                  "\"lstrip\":",
                                  "\"rstrip\":",
                                  "\"normalized\":",
                                  "\"Sequence\"",
                                  "\"pattern\":",
                                  "\"Regex\":",
                                  "\"String\":",
                                  "\"behavior\":",
                                  "\"Isolated\"",
                                  "\"Removed\"",
                                  "\"MergedWithPrevious\"",
                                  "\"MergedWithNext\"",
                                  "\"Contiguous\"",
                                  "\"invert\":",
                                  "\"model\":",
                                  "\"vocab\":",
                                  "\"merges\":",
                                  "\"normalizer\":",
                                  "\"normalizers\":",
                                  "\"pre_tokenizer\":",
                                  "\"pretokenizers\":",
                                  "\"post_processor\":",
                                  "\"processors\":",
                                  "\"decoder\":",
                                  "\"decoders\":",
                                  "\"added_tokens\":",
                                  "\"added_tokens_decoder\":",
                                  "\"additional_special_tokens\":",
                                  "\"tokenizer_class\":",
                                  "\"unk_token\":",
                                  "\"cls_token\":",
                                  "\"byte_fallback\":",
                                  "\"ignore_merges\":",
                                  "\"fuse_unk\":",
                                  "\"continuing_subword_prefix\":",
                                  "\"end_of_word_suffix\":",
                                  "\"max_input_chars_per_word\":",
                                  "\"clean_up_tokenization_spaces\":",
                                  "true",
                                  "false",
                                  "null",
                                  "4194303",
                                  "-1",
                                  "9223372036854775807",
                                  "1e308",
                                  "[UNK]",
                                  "[CLS]",
                                  "[SEP]",
                                  "[MASK]",
                                  "<0x41>",
                                  "<s>",
                                  "</s>",
                                  "<unk>",
                                  "##",
                                  "\\\\p{L}",
                                  "\\\\p{^N}",
                                  "[^a-z&&[^x]]",
                                  "(?i:",
                                  "(?=",
                                  "(?!",
                                  "(?<=",
                                  "(?<!",
                                  "(?>",
                                  "(?:",
                                  ")*",
                                  ")+",
                                  "{2,}",
                                  "{1,3}",
                                  "\\\\s+",
                                  "\\\\S",
                                  "\\\\b",
                                  "\\\\R",
                                  "\\\\z",
                                  "[[:alpha:]]",
                                  "\\u0000",
                                  "\\u00e9",
                                  "\xC3\xA9",
                                  "\xCC\x81",
                                  "\xC7\x95",
                                  "\xC4\xB0",
                                  "\xC5\xBF",
                                  "\xC3\x9F",
                                  "\xE4\xB8\xAD",
                                  "\xE2\x96\x81",
                                  "\xC4\xA0",
                                  "\xEF\xBF\xBD",
                                  "\xEF\xB7\xBA",
                                  "\xF0\x9F\x98\x80",
                                  "\xE2\x80\x8D",
                                  "\xED\x95\x9C",
                                  "\xEA\xB0\x81",
                                  "\xE1\x84\x80",
                                  "\xE1\x85\xA1",
                                  "\xE0\xBD\xB3",
                                  "\xE0\xA4\x95",
                                  "\xC2\xA0",
                                  FUZZ_CUT,
                                  NULL};

const char fuzz_text_one[] =
    "A Film: films, \xC3\xA9t\xC3\xA9 E\xCC\x81t\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 <ent> [MASK] don't ab-aab\t\n  12345 "
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8 \xEF\xB7\xBA \xC4\xB0 ";
const char fuzz_text_two[] = "abab \xE2\x96\x81 aaaa, b.\xC2\xA0x";
