#include "base/method.h"

#include <stdio.h>
#include <string.h>

#define ROW(id, name, pairs, keys, about) [LT_METHOD_##id] = {name, pairs, keys, about},
const lt_method_info lt_methods[] = {LT_METHOD_LIST(ROW)};

#define TARGET(id, word) [LT_TARGET_##id] = word,
const char *const lt_target_words[] = {LT_TARGET_LIST(TARGET)};

#define CONTROL(id, word) [LT_CONTROL_##id] = word,
const char *const lt_control_words[] = {LT_CONTROL_LIST(CONTROL)};

bool lt_method_reads(lt_method method, const char *leaf) {
    char pattern[64];
    (void)snprintf(pattern, sizeof pattern, " %s ", leaf);
    return !strcmp(leaf, "name") || strstr(lt_methods[method].keys, pattern) != NULL;
}
