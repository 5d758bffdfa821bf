#pragma once
/* Made by make_normalize_cases.py. */
// clang-format off
#include <stddef.h>
#include <stdint.h>
typedef struct norm_text {
    const char *s;
    int bytes;
} norm_text;
/* What a chain makes of a text that it changes; place: where its places begin in norm_place, -1: they are not looked at */
typedef struct norm_case {
    int text, bytes, place;
    const char *want;
} norm_case;
/* Digests of what becomes of every code point, of random texts, and of the places of the latter (NULL: not looked at) */
typedef struct norm_chain {
    const char *steps;
    int first, n; /* in norm_cases */
    const char *every, *random, *places;
} norm_chain;
enum { NORM_RANDOM = 20000, NORM_LONGEST = 12, NORM_RANGES = 31 };
static const struct {
    int32_t first, n;
} norm_range[NORM_RANGES] = {
    {0x0, 128}, {0x41, 58}, {0x61, 6}, {0x80, 384}, {0x300, 112}, {0x370, 400}, {0x591, 96}, {0x900, 1152},
    {0xF00, 208}, {0x1100, 256}, {0x1E00, 512}, {0x2000, 112}, {0x3000, 256}, {0x4E00, 256}, {0xA640, 256}, {0xAC00, 256},
    {0xF900, 512}, {0xFB00, 768}, {0xFE00, 256}, {0xFE00, 512}, {0x11080, 384}, {0x1D100, 256}, {0x1F1E6, 26}, {0x1F300, 768},
    {0x200B, 5}, {0x915, 3}, {0x94D, 1}, {0x301, 1}, {0xA9, 6}, {0x20, 1}, {0xD, 1},
};
/* First and end byte in the text, of every character of what it becomes */
static const unsigned char norm_place[] = {
    0, 1, 3, 5, 5, 6, 8, 10, 10, 11, 11, 13, 11, 13, 13, 14, 14, 17, 14, 17, 17, 20, 20, 21, 23, 25, 25, 27, 27, 29, 29, 30,
    34, 36, 36, 37, 37, 40, 40, 42, 48, 49, 49, 52, 55, 58, 58, 61, 61, 62, 62, 65, 71, 74, 77, 80, 80, 83, 0, 3, 3, 6, 6, 8,
    8, 11, 11, 14, 14, 17, 17, 20, 20, 23, 23, 26, 26, 29, 29, 32, 32, 35, 35, 39, 39, 42, 42, 44, 0, 3, 3, 6, 6, 10, 10, 14,
    14, 17, 17, 20, 20, 23, 23, 27, 27, 31, 31, 34, 34, 37, 37, 41, 41, 45, 0, 1, 1, 3, 3, 5, 5, 6, 6, 8, 8, 10, 10, 11,
    11, 13, 11, 13, 13, 14, 14, 17, 14, 17, 17, 20, 20, 21, 21, 23, 23, 25, 25, 27, 27, 29, 29, 30, 30, 32, 32, 34, 34, 36, 34, 36,
    34, 36, 36, 37, 37, 40, 37, 40, 37, 40, 37, 40, 40, 42, 42, 44, 44, 46, 46, 48, 48, 49, 49, 52, 52, 55, 55, 58, 58, 61, 61, 62,
    62, 65, 65, 68, 68, 71, 71, 74, 71, 74, 74, 77, 77, 80, 77, 80, 77, 80, 80, 83, 0, 3, 3, 6, 6, 8, 8, 11, 11, 14, 14, 17,
    17, 20, 20, 23, 23, 26, 26, 29, 29, 32, 32, 35, 35, 39, 39, 42, 42, 44, 42, 44, 0, 3, 3, 6, 6, 10, 10, 14, 14, 17, 17, 20,
    20, 23, 23, 27, 27, 31, 31, 34, 34, 37, 37, 41, 41, 45, 0, 1, 3, 5, 5, 6, 8, 10, 10, 11, 11, 13, 11, 13, 13, 14, 14, 17,
    14, 17, 17, 20, 20, 21, 23, 25, 25, 27, 27, 29, 29, 30, 34, 36, 36, 37, 37, 40, 40, 42, 48, 49, 49, 52, 55, 58, 58, 61, 61, 62,
    62, 65, 71, 74, 77, 80, 80, 83, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3,
    0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 3, 6, 6, 8, 6, 8, 6, 8, 8, 11, 11, 14, 11, 14, 11, 14, 14, 17, 17, 20,
    23, 26, 26, 29, 29, 32, 32, 35, 35, 39, 39, 42, 0, 3, 3, 6, 6, 10, 10, 14, 14, 17, 17, 20, 20, 23, 23, 27, 27, 31, 31, 34,
    34, 37, 37, 41, 41, 45, 0, 1, 1, 3, 3, 5, 5, 6, 6, 8, 8, 10, 10, 11, 11, 13, 11, 13, 13, 14, 14, 17, 14, 17, 17, 20,
    20, 21, 21, 23, 23, 25, 25, 27, 27, 29, 29, 30, 30, 32, 32, 34, 34, 36, 34, 36, 34, 36, 36, 37, 37, 40, 37, 40, 37, 40, 37, 40,
    40, 42, 42, 44, 44, 46, 46, 48, 48, 49, 49, 52, 52, 55, 55, 58, 58, 61, 61, 62, 62, 65, 65, 68, 68, 71, 71, 74, 71, 74, 74, 77,
    77, 80, 77, 80, 77, 80, 80, 83, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3,
    0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 3, 6, 6, 8, 6, 8, 6, 8, 8, 11, 11, 14, 11, 14, 11, 14, 14, 17, 17, 20,
    20, 23, 23, 26, 26, 29, 29, 32, 32, 35, 35, 39, 39, 42, 42, 44, 42, 44, 0, 3, 3, 6, 6, 10, 10, 14, 14, 17, 17, 20, 20, 23,
    23, 27, 27, 31, 31, 34, 34, 37, 37, 41, 41, 45, 0, 1, 1, 2, 2, 3, 5, 7, 7, 9, 9, 11, 11, 12, 12, 15, 15, 18, 18, 19,
    19, 22, 22, 25, 25, 28, 28, 32, 32, 35, 35, 37, 37, 38, 38, 41, 41, 44, 0, 1, 1, 3, 3, 5, 5, 6, 6, 8, 8, 10, 10, 11,
    11, 13, 13, 14, 14, 17, 17, 20, 20, 21, 21, 23, 23, 25, 25, 27, 27, 29, 29, 30, 30, 32, 32, 34, 34, 36, 36, 37, 37, 40, 40, 42,
    42, 44, 44, 46, 46, 48, 48, 49, 49, 52, 52, 55, 55, 58, 58, 61, 61, 62, 62, 65, 65, 68, 68, 71, 71, 74, 74, 77, 77, 80, 80, 83,
    0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12, 15, 15, 18, 18, 19, 19, 22, 22, 25, 25, 28, 28, 32,
    32, 35, 35, 37, 37, 38, 38, 41, 41, 44, 0, 1, 5, 6, 10, 11, 13, 14, 20, 21, 29, 30, 34, 36, 36, 37, 37, 40, 40, 42, 48, 49,
    49, 52, 55, 58, 61, 62, 62, 65, 65, 68, 68, 71, 71, 74, 74, 77, 77, 80, 80, 83, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6,
    6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22,
    22, 24, 24, 25, 25, 26, 26, 28, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42, 42, 44, 42, 44, 44, 46, 46, 47, 47, 49, 49, 50,
    50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75, 0, 3, 3, 6, 6, 10, 10, 14, 14, 17,
    17, 20, 20, 23, 23, 27, 27, 31, 31, 34, 34, 37, 37, 41, 41, 45, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 5, 7, 7, 9,
    7, 9, 9, 11, 9, 11, 11, 12, 12, 15, 12, 15, 12, 15, 15, 18, 15, 18, 15, 18, 18, 19, 19, 22, 19, 22, 19, 22, 22, 25, 22, 25,
    22, 25, 25, 28, 25, 28, 25, 28, 28, 32, 28, 32, 28, 32, 28, 32, 32, 35, 32, 35, 32, 35, 35, 37, 35, 37, 37, 38, 38, 41, 38, 41,
    38, 41, 41, 44, 41, 44, 41, 44, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12,
    12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25, 25, 26, 28, 29, 29, 32, 29, 32,
    29, 32, 32, 35, 32, 35, 32, 35, 35, 38, 35, 38, 35, 38, 38, 41, 41, 42, 42, 44, 44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54,
    54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75, 1, 2, 7, 9, 11, 12, 18, 19, 19, 22, 35, 37, 37, 38,
    38, 41, 41, 44, 0, 1, 6, 7, 7, 8, 8, 11, 8, 11, 8, 11, 11, 14, 11, 14, 11, 14, 14, 17, 14, 17, 14, 17, 19, 23, 19, 23,
    19, 23, 24, 26, 26, 29, 29, 30, 34, 36, 36, 39, 41, 42, 42, 44, 44, 46, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7,
    7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24,
    24, 25, 25, 26, 26, 28, 28, 29, 29, 32, 29, 32, 29, 32, 32, 35, 32, 35, 32, 35, 35, 38, 35, 38, 35, 38, 38, 41, 41, 42, 42, 44,
    44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75, 1, 2,
    7, 9, 11, 12, 18, 19, 19, 22, 35, 37, 37, 38, 38, 41, 41, 44, 0, 1, 1, 3, 4, 6, 6, 7, 7, 8, 8, 11, 8, 11, 8, 11,
    11, 14, 11, 14, 11, 14, 14, 17, 14, 17, 14, 17, 17, 19, 19, 23, 19, 23, 19, 23, 24, 26, 26, 29, 29, 30, 30, 34, 34, 36, 36, 39,
    39, 41, 41, 42, 42, 44, 44, 46, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12,
    12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25, 25, 26, 28, 29, 29, 32, 32, 35,
    35, 38, 38, 41, 41, 42, 42, 44, 44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69,
    69, 73, 73, 74, 74, 75, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12, 15, 15, 18, 18, 19, 19, 22,
    22, 25, 25, 28, 28, 32, 32, 35, 35, 37, 37, 38, 38, 41, 41, 44, 0, 1, 3, 4, 6, 7, 7, 8, 8, 11, 11, 14, 14, 17, 19, 23,
    23, 24, 24, 26, 26, 29, 29, 30, 34, 36, 36, 39, 41, 42, 42, 44, 44, 46, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7,
    7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24,
    24, 25, 25, 26, 26, 28, 28, 29, 29, 32, 29, 32, 29, 32, 32, 35, 32, 35, 32, 35, 35, 38, 35, 38, 35, 38, 38, 41, 41, 42, 42, 44,
    42, 44, 44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75,
    0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12, 15, 15, 18, 18, 19, 19, 22, 22, 25, 25, 28, 28, 32,
    32, 35, 35, 37, 37, 38, 38, 41, 41, 44, 0, 1, 1, 3, 3, 4, 4, 6, 6, 7, 7, 8, 8, 11, 8, 11, 8, 11, 11, 14, 11, 14,
    11, 14, 14, 17, 14, 17, 14, 17, 17, 19, 19, 23, 19, 23, 19, 23, 23, 24, 24, 26, 24, 26, 26, 29, 29, 30, 30, 34, 34, 36, 36, 39,
    39, 41, 41, 42, 42, 44, 44, 46, 5, 6, 6, 7, 7, 8, 5, 6, 6, 7, 7, 8, 8, 11, 11, 12, 0, 1, 1, 4, 4, 5, 5, 6,
    6, 7, 7, 8, 0, 1, 0, 1, 1, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 11, 11, 12, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5,
    5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21,
    21, 22, 22, 24, 24, 25, 25, 26, 26, 28, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42, 42, 44, 44, 46, 46, 47, 47, 49, 49, 50,
    50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75, 0, 1, 1, 4, 4, 5, 5, 6, 6, 7,
    7, 8, 8, 11, 11, 12, 0, 1, 1, 2, 2, 3, 0, 0, 0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 2, 3, 3, 4, 3, 4, 4, 5,
    4, 5, 5, 6, 5, 6, 6, 7, 6, 7, 7, 8, 7, 8, 8, 9, 8, 9, 9, 10, 9, 10, 10, 11, 10, 11, 11, 12, 11, 12, 12, 13,
    12, 13, 13, 14, 13, 14, 14, 15, 14, 15, 15, 16, 15, 16, 16, 17, 16, 17, 17, 18, 17, 18, 18, 19, 18, 19, 19, 20, 19, 20, 20, 21,
    20, 21, 21, 22, 21, 22, 22, 24, 22, 24, 24, 25, 24, 25, 25, 26, 25, 26, 26, 28, 26, 28, 28, 29, 28, 29, 29, 32, 29, 32, 32, 35,
    32, 35, 35, 38, 35, 38, 38, 41, 38, 41, 41, 42, 41, 42, 42, 44, 42, 44, 44, 46, 44, 46, 46, 47, 46, 47, 47, 49, 47, 49, 49, 50,
    49, 50, 50, 53, 50, 53, 53, 54, 53, 54, 54, 57, 54, 57, 57, 60, 57, 60, 60, 61, 60, 61, 61, 64, 61, 64, 64, 65, 64, 65, 65, 69,
    65, 69, 69, 73, 69, 73, 73, 74, 73, 74, 74, 75, 74, 75, 0, 0, 0, 1, 0, 1, 1, 4, 1, 4, 4, 5, 4, 5, 5, 6, 5, 6,
    6, 7, 6, 7, 7, 8, 7, 8, 8, 11, 8, 11, 11, 12, 11, 12, 0, 0, 0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 2, 3, 0, 1,
    1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17,
    17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25, 26, 28, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42, 42, 44, 44, 46,
    46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 74, 75, 0, 1, 1, 4,
    4, 5, 5, 6, 6, 7, 7, 8, 8, 11, 11, 12, 0, 1, 1, 2, 2, 3, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 7, 8,
    8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25,
    25, 26, 26, 28, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42, 42, 44, 44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57,
    57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 74, 75, 4, 5, 5, 6, 6, 7, 7, 8, 11, 12, 2, 3, 74, 75, 11, 12, 2, 3,
    0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16,
    16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25, 25, 26, 26, 28, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42,
    42, 44, 44, 46, 46, 47, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 64, 65, 65, 69, 69, 73, 73, 74, 73, 74,
    74, 75, 74, 75, 0, 1, 1, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 11, 8, 11, 11, 12, 11, 12, 0, 1, 1, 2, 1, 2, 2, 3,
    2, 3, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15,
    15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 24, 24, 25, 25, 26, 28, 29, 29, 32, 32, 35, 35, 38, 38, 41, 41, 42,
    42, 44, 44, 46, 46, 47, 47, 49, 47, 49, 49, 50, 50, 53, 53, 54, 54, 57, 57, 60, 60, 61, 61, 64, 61, 64, 64, 65, 65, 69, 69, 73,
    5, 6, 5, 6, 6, 7, 7, 8,
};
static const norm_text norm_texts[] = {
    {"The Quick brown fox: 3 x 4 = 12 (or not).", 41},
    {"Hello  WORLD,\x09it's caf\xC3\xA9 e\xCC\x81 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 \xC4\xB0\xC4\xB1 \xC7\x85 \xE1\xBA"
     "\x9E \xE2\x84\xAA\xE2\x84\xAB \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A", 75},
    {"a\xCC\x81\xCC\xA3" "b\xCC\xA3\xCC\x81" "c\xCD\x84" "d\xE0\xBD\xB3\xE0\xBD\xB2" "e\xCD\x85\xCC\x81\xCC\xB4\xCC\xA7o\xCC\x88\xCC\x84"
     "\xC7\x95 \xE1\xBE\xA7\xCF\x89\xCC\x94\xCD\x82\xCD\x85 \xE0\xA4\xA8\xE0\xA4\xBC\xE0\xA4\x95\xE0\xA4\xBC \xE1\x84\x80\xE1\x85\xA1"
     "\xE1\x86\xA8\xEA\xB0\x80\xE1\x86\xA8\xEA\xB0\x81\xE1\x86\xA8", 83},
    {"\x00" "a\x00\x01\x7F\xC2\x85\xC2\xA0\xC2\xADx\xE2\x80\x8B\xE2\x80\x8Dy\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBD\xF3\xA0\x80\x81\xEE\x80"
     "\x80\xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3", 44},
    {"\xEF\xB7\xBA\xE2\x91\xA0\xC2\xBD\xE2\x84\xA6\xE3\x8E\x92\xEF\xBC\xA1\xEF\xBD\xB6\xEF\xBE\x9E\xE1\xB5\x83\xE2\x84\xA6\xE2\xBC\x80"
     "\xEF\xA4\x80\xF0\xAF\xA0\x80\xE1\xBA\x9B\xCC\xA3", 44},
    {"\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xEA\x9F\x8B\xEA\x9F\x9C\xF0\x90\xB5\x90\xF0\x90\xB5\xA5\xE0"
     "\xAD\x95\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC", 45},
    {"A\xCC\x81\x00\xCC\xA7" "B \xE4\xB8\xAD\xE6\x96\x87\xEF\xA4\x80\xCC\x81\xF0\xAF\xA0\x80\x0B\xC4\xB0\xE1\xB4\x96" "5\xF0\x9D\x85\xA5"
     "\xCC\x81\xE3\x80\xAE\xCC\xB4 \xC3\x89\xC3\x89", 46},
    {" \xE2\x80\x83 a b\xE3\x80\x80\x0A", 12},
    {" \x09\x0A", 3},
    {"", 0},
    {"\x00", 1},
    {"e\xCC\x81\xE2\x80\x8B" "e\xCC\x81\xCC\xA3\x0D\x0A\x0D\xC2\xA9\xE2\x80\x8D\xC2\xAE\xCC\x81\xC2\xA9\xE2\x80\x8D\xE0\xA4\x95\xE0\xA5"
     "\x8D\xE0\xA4\x95\xCC\x81\xD8\x80\xE0\xB8\x81\xE0\xB8\xB3" "a\xCC\x81\xEF\xAC\x81\xE2\x80\x8B\xF0\x9F\x98\x80\xF0\x9F\x87\xA6\xF0"
     "\x9F\x87\xA7\xF0\x9F\x87\xA8", 72},
};
static const norm_case norm_cases[] = {
    {2, 67, 0,
     "\xE1\xBA\xA1\xCC\x81\xE1\xB8\x85\xCC\x81" "c\xCC\x88\xCC\x81" "d\xE0\xBD\xB1\xE0\xBD\xB2\xE0\xBD\xB2\xC8\xA9\xCC\xB4\xCC\x81\xCD"
     "\x85\xC8\xAB\xC7\x95 \xE1\xBE\xA7\xE1\xBE\xA7 \xE0\xA4\xA9\xE0\xA4\x95\xE0\xA4\xBC \xEA\xB0\x81\xEA\xB0\x81\xEA\xB0\x81\xE1\x86"
     "\xA8"},
    {4, 41, 58,
     "\xEF\xB7\xBA\xE2\x91\xA0\xC2\xBD\xCE\xA9\xE3\x8E\x92\xEF\xBC\xA1\xEF\xBD\xB6\xEF\xBE\x9E\xE1\xB5\x83\xCE\xA9\xE2\xBC\x80\xE8\xB1"
     "\x88\xE4\xB8\xBD\xE1\xBA\x9B\xCC\xA3"},
    {5, 45, 88,
     "\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xEA\x9F\x8B\xEA\x9F\x9C\xF0\x90\xB5\x90\xF0\x90\xB5\xA5\xE0"
     "\xAD\x95\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC"},
    {2, 105, 114,
     "a\xCC\xA3\xCC\x81" "b\xCC\xA3\xCC\x81" "c\xCC\x88\xCC\x81" "d\xE0\xBD\xB1\xE0\xBD\xB2\xE0\xBD\xB2" "e\xCC\xB4\xCC\xA7\xCC\x81\xCD"
     "\x85o\xCC\x88\xCC\x84U\xCC\x88\xCC\x84 \xCF\x89\xCC\x94\xCD\x82\xCD\x85\xCF\x89\xCC\x94\xCD\x82\xCD\x85 \xE0\xA4\xA8\xE0\xA4\xBC"
     "\xE0\xA4\x95\xE0\xA4\xBC \xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80\xE1\x85\xA1\xE1\x86"
     "\xA8\xE1\x86\xA8"},
    {4, 42, 212,
     "\xEF\xB7\xBA\xE2\x91\xA0\xC2\xBD\xCE\xA9\xE3\x8E\x92\xEF\xBC\xA1\xEF\xBD\xB6\xEF\xBE\x9E\xE1\xB5\x83\xCE\xA9\xE2\xBC\x80\xE8\xB1"
     "\x88\xE4\xB8\xBD\xC5\xBF\xCC\xA3\xCC\x87"},
    {5, 45, 244,
     "\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xEA\x9F\x8B\xEA\x9F\x9C\xF0\x90\xB5\x90\xF0\x90\xB5\xA5\xE0"
     "\xAD\x95\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC"},
    {2, 67, 270,
     "\xE1\xBA\xA1\xCC\x81\xE1\xB8\x85\xCC\x81" "c\xCC\x88\xCC\x81" "d\xE0\xBD\xB1\xE0\xBD\xB2\xE0\xBD\xB2\xC8\xA9\xCC\xB4\xCC\x81\xCD"
     "\x85\xC8\xAB\xC7\x95 \xE1\xBE\xA7\xE1\xBE\xA7 \xE0\xA4\xA9\xE0\xA4\x95\xE0\xA4\xBC \xEA\xB0\x81\xEA\xB0\x81\xEA\xB0\x81\xE1\x86"
     "\xA8"},
    {4, 63, 328,
     "\xD8\xB5\xD9\x84\xD9\x89 \xD8\xA7\xD9\x84\xD9\x84\xD9\x87 \xD8\xB9\xD9\x84\xD9\x8A\xD9\x87 \xD9\x88\xD8\xB3\xD9\x84\xD9\x85" "11"
     "\xE2\x81\x84" "2\xCE\xA9MHzA\xE3\x82\xAC" "a\xCE\xA9\xE4\xB8\x80\xE8\xB1\x88\xE4\xB8\xBD\xE1\xB9\xA9"},
    {5, 45, 396,
     "\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xEA\x9F\x8B\xEA\x9F\x9C\xF0\x90\xB5\x90\xF0\x90\xB5\xA5\xE0"
     "\xAD\x95\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC"},
    {2, 105, 422,
     "a\xCC\xA3\xCC\x81" "b\xCC\xA3\xCC\x81" "c\xCC\x88\xCC\x81" "d\xE0\xBD\xB1\xE0\xBD\xB2\xE0\xBD\xB2" "e\xCC\xB4\xCC\xA7\xCC\x81\xCD"
     "\x85o\xCC\x88\xCC\x84U\xCC\x88\xCC\x84 \xCF\x89\xCC\x94\xCD\x82\xCD\x85\xCF\x89\xCC\x94\xCD\x82\xCD\x85 \xE0\xA4\xA8\xE0\xA4\xBC"
     "\xE0\xA4\x95\xE0\xA4\xBC \xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80\xE1\x85\xA1\xE1\x86"
     "\xA8\xE1\x86\xA8"},
    {4, 68, 520,
     "\xD8\xB5\xD9\x84\xD9\x89 \xD8\xA7\xD9\x84\xD9\x84\xD9\x87 \xD8\xB9\xD9\x84\xD9\x8A\xD9\x87 \xD9\x88\xD8\xB3\xD9\x84\xD9\x85" "11"
     "\xE2\x81\x84" "2\xCE\xA9MHzA\xE3\x82\xAB\xE3\x82\x99" "a\xCE\xA9\xE4\xB8\x80\xE8\xB1\x88\xE4\xB8\xBDs\xCC\xA3\xCC\x87"},
    {5, 45, 594,
     "\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xEA\x9F\x8B\xEA\x9F\x9C\xF0\x90\xB5\x90\xF0\x90\xB5\xA5\xE0"
     "\xAD\x95\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC"},
    {3, 32, 620,
     "\x00" "a\x00\xC2\x85\xC2\xA0\xC2\xADx  y   \xF3\xA0\x80\x81\xEE\x80\x80\xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {2, 83, 658,
     "a\xCC\x81\xCC\xA3" "b\xCC\xA3\xCC\x81" "c\xCD\x84" "d\xE0\xBD\xB3\xE0\xBD\xB2" "e\xCD\x85\xCC\x81\xCC\xB4\xCC\xA7o\xCC\x88\xCC\x84"
     "\xC7\x95 \xE1\xBE\xA7\xCF\x89\xCC\x94\xCD\x82\xCD\x85 \xE0\xA4\xA8\xE0\xA4\xBC\xE0\xA4\x95\xE0\xA4\xBC \xE1\x84\x80\xE1\x85\xA1"
     "\xE1\x86\xA8\xEA\xB0\x80\xE1\x86\xA8\xEA\xB0\x81\xE1\x86\xA8"},
    {3, 44, 736,
     "\x00" "a\x00\x01\x7F\xC2\x85\xC2\xA0\xC2\xADx\xE2\x80\x8B\xE2\x80\x8Dy\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBD\xF3\xA0\x80\x81\xEE\x80"
     "\x80\xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {2, 43, 778,
     "abcdeo\xC7\x95 \xE1\xBE\xA7\xCF\x89 \xE0\xA4\xA8\xE0\xA4\x95 \xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xEA\xB0\x80\xE1\x86\xA8\xEA\xB0"
     "\x81\xE1\x86\xA8"},
    {1, 72, 820,
     "hello  world,\x09it's caf\xC3\xA9 e\xCC\x81 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 i\xCC\x87\xC4\xB1 \xC7\x86 \xC3\x9F k"
     "\xC3\xA5 \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A"},
    {5, 43, 918,
     "\xE1\xAB\x8F\xE0\xA3\x93\xF0\x91\x8C\x83\xF0\x9E\x84\xB0\xE1\xB2\x80\xC9\xA4\xC6\x9B\xF0\x90\xB5\xB0\xF0\x90\xB6\x85\xE0\xAD\x95"
     "\xE1\xB7\xB6\xF0\x96\xB5\xA3\xF0\x9E\x93\xAC"},
    {3, 84, 944,
     "\xC4\x80" "a\xC4\x80\xC4\x81\xC4\xA1\xC3\x82\xC4\xA7\xC3\x82\xC5\x82\xC3\x82\xC5\x83x\xC3\xA2\xC4\xA2\xC4\xAD\xC3\xA2\xC4\xA2\xC4"
     "\xAFy\xC3\xA2\xC4\xA2\xC2\xA8\xC3\xAF\xC2\xBB\xC2\xBF\xC3\xAF\xC2\xBF\xC2\xBD\xC3\xB3\xC5\x82\xC4\xA2\xC4\xA3\xC3\xAE\xC4\xA2\xC4"
     "\xA2\xC3\x8D\xC2\xB8_\xC3\xA0\xC2\xB8\xC2\xB3\xC3\xA0\xC2\xBA\xC2\xB3"},
    {1, 72, 1032,
     "hello  world, it's cafe e  \xE6\x97\xA5  \xE6\x9C\xAC  \xE8\xAA\x9E \xE3\x80\x82 i\xC4\xB1 \xC7\x86 \xC3\x9F ka \xEF\xAC\x81 \xF0"
     "\x9F\x91\x8D\xF0\x9F\x8F\xBD  "},
    {3, 14, 1138,
     "a xy \xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {6, 38, 1156,
     "ab  \xE4\xB8\xAD  \xE6\x96\x87  \xE8\xB1\x88  \xE4\xB8\xBD i\xE1\xB4\x96" "5\xF0\x9D\x85\xA5\xE3\x80\xAE ee"},
    {1, 81, 1202,
     "Hello  WORLD, it's caf\xC3\xA9 e\xCC\x81  \xE6\x97\xA5  \xE6\x9C\xAC  \xE8\xAA\x9E \xE3\x80\x82 \xC4\xB0\xC4\xB1 \xC7\x85 \xE1\xBA"
     "\x9E \xE2\x84\xAA\xE2\x84\xAB \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD  "},
    {3, 14, 1310,
     "a xy \xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {6, 52, 1328,
     "A\xCC\x81\xCC\xA7" "B  \xE4\xB8\xAD  \xE6\x96\x87  \xEF\xA4\x80 \xCC\x81 \xF0\xAF\xA0\x80 \xC4\xB0\xE1\xB4\x96" "5\xF0\x9D\x85\xA5"
     "\xCC\x81\xE3\x80\xAE\xCC\xB4 \xC3\x89\xC3\x89"},
    {1, 67, 1384,
     "Hello  WORLD,\x09it's cafe e \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 I\xC4\xB1 \xC7\x85 \xE1\xBA\x9E KA \xEF\xAC\x81 \xF0"
     "\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A"},
    {3, 44, 1478,
     "\x00" "a\x00\x01\x7F\xC2\x85\xC2\xA0\xC2\xADx\xE2\x80\x8B\xE2\x80\x8Dy\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBD\xF3\xA0\x80\x81\xEE\x80"
     "\x80\xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {6, 32, 1520,
     "A\x00" "B \xE4\xB8\xAD\xE6\x96\x87\xE8\xB1\x88\xE4\xB8\xBD\x0BI\xE1\xB4\x96" "5\xF0\x9D\x85\xA5\xE3\x80\xAE EE"},
    {1, 78, 1554,
     "hello  world,\x09it's caf\xC3\xA9 e\xCC\x81  \xE6\x97\xA5  \xE6\x9C\xAC  \xE8\xAA\x9E \xE3\x80\x82 i\xCC\x87\xC4\xB1 \xC7\x86 \xC3"
     "\x9F k\xC3\xA5 \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A"},
    {3, 44, 1664,
     "\x00" "a\x00\x01\x7F\xC2\x85\xC2\xA0\xC2\xADx\xE2\x80\x8B\xE2\x80\x8Dy\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBD\xF3\xA0\x80\x81\xEE\x80"
     "\x80\xCD\xB8_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {6, 55, 1706,
     "a\xCC\x81\x00\xCC\xA7" "b  \xE4\xB8\xAD  \xE6\x96\x87  \xEF\xA4\x80 \xCC\x81 \xF0\xAF\xA0\x80 \x0Bi\xCC\x87\xE1\xB4\x96" "5\xF0"
     "\x9D\x85\xA5\xCC\x81\xE3\x80\xAE\xCC\xB4 \xC3\xA9\xC3\xA9"},
    {7, 3, 1768,
     "a b"},
    {8, 0, 1774,
     ""},
    {7, 7, 1774,
     "a b\xE3\x80\x80\x0A"},
    {8, 0, 1784,
     ""},
    {7, 8, 1784,
     " \xE2\x80\x83 a b"},
    {8, 0, 1796,
     ""},
    {7, 15, 1796,
     "\xE2\x96\x81 \xE2\x80\x83 a b\xE3\x80\x80\x0A"},
    {9, 0, 1814,
     ""},
    {1, 97, 1814,
     "Hello\xE2\x96\x81\xE2\x96\x81WORLD,\x09it's\xE2\x96\x81" "caf\xC3\xA9\xE2\x96\x81" "e\xCC\x81\xE2\x96\x81\xE6\x97\xA5\xE6\x9C\xAC"
     "\xE8\xAA\x9E\xE3\x80\x82\xE2\x96\x81\xC4\xB0\xC4\xB1\xE2\x96\x81\xC7\x85\xE2\x96\x81\xE1\xBA\x9E\xE2\x96\x81\xE2\x84\xAA\xE2\x84"
     "\xAB\xE2\x96\x81\xEF\xAC\x81\xE2\x96\x81\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A"},
    {7, 18, 1910,
     "\xE2\x96\x81\xE2\x80\x83\xE2\x96\x81" "a\xE2\x96\x81" "b\xE3\x80\x80\x0A"},
    {8, 5, 1926,
     "\xE2\x96\x81\x09\x0A"},
    {9, 0, 1932,
     ""},
    {1, 124, 1932,
     "-H-e-l-l-o- - -W-O-R-L-D-,-\x09-i-t-'-s- -c-a-f-\xC3\xA9- -e-\xCC\x81- -\xE6\x97\xA5-\xE6\x9C\xAC-\xE8\xAA\x9E-\xE3\x80\x82- -\xC4"
     "\xB0-\xC4\xB1- -\xC7\x85- -\xE1\xBA\x9E- -\xE2\x84\xAA-\xE2\x84\xAB- -\xEF\xAC\x81- -\xF0\x9F\x91\x8D-\xF0\x9F\x8F\xBD-\x0D-\x0A-"},
    {7, 21, 2126,
     "- -\xE2\x80\x83- -a- -b-\xE3\x80\x80-\x0A-"},
    {8, 7, 2160,
     "- -\x09-\x0A-"},
    {9, 0, 2174,
     ""},
    {1, 74, 2174,
     "Hello  WORLD,\x09it's caf\xC3\xA9 \xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 \xC4\xB0\xC4\xB1 \xC7\x85 \xE1\xBA\x9E"
     " \xE2\x84\xAA\xE2\x84\xAB \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\x0A"},
    {7, 12, 2268,
     " \xE2\x80\x83 a b\xE3\x80\x80\x0A"},
    {8, 3, 2284,
     " \x09\x0A"},
    {9, 0, 2290,
     ""},
    {1, 73, 2290,
     "Hello WORLD, it's caf\xC3\xA9 e\xCC\x81 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 \xC4\xB0\xC4\xB1 \xC7\x85 \xE1\xBA\x9E "
     "\xE2\x84\xAA\xE2\x84\xAB \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "},
    {7, 5, 2382,
     " a b "},
    {8, 1, 2392,
     " "},
    {9, 0, 2394,
     ""},
    {1, 1, 2394,
     "."},
    {7, 1, 2396,
     "."},
    {8, 1, 2398,
     "."},
    {9, 0, 2400,
     ""},
    {1, 82, 2400,
     "Hello  WORLD,\x09it's caf\xC3\xA9 e\xE2\x96\x81 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 \xC4\xB0\xC4\xB1 \xC7\x85 \xE1"
     "\xBA\x9E \xE2\x84\xAA\xE2\x84\xAB \xEF\xAC\x81 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD\x0D\xE2\x96\x81\x0A\xE2\x96\x81"},
    {7, 18, 2500,
     " \xE2\x80\x83 a b\xE3\x80\x80\xE2\x96\x81\x0A\xE2\x96\x81"},
    {8, 9, 2520,
     " \x09\xE2\x96\x81\x0A\xE2\x96\x81"},
    {9, 0, 2530,
     ""},
    {11, 50, -1,
     "\xC3\xA9\xC3\xA9RR(c)\xE2\x80\x8D\xC2\xAE\xCC\x81(c)k\xE0\xA5\x8Dk\xCC\x81\xD8\x80KK\xE0\xB8\xB3" "Afi:)\xF0\x9F\x87\xA6\xF0\x9F"
     "\x87\xA7\xF0\x9F\x87\xA8"},
    {3, 41, -1,
     "\x00" "A\x00\x01\x7F\xC2\x85\xC2\xA0\xC2\xADx\xE2\x80\x8Dy\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBD\xF3\xA0\x80\x81\xEE\x80\x80\xCD\xB8"
     "_\xE0\xB8\xB3\xE0\xBA\xB3"},
    {11, 24, -1,
     "xxxxxxxxxxxxxxxxxxxxxxxx"},
    {3, 21, -1,
     "\x00x\x00xxxxxxxxxxxxxxxxxx"},
    {1, 63, 2530,
     "hello  world,\x09it's cafe e \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 i\xC4\xB1 dz \xC3\x9F ka fi \xF0\x9F\x91\x8D\xF0\x9F"
     "\x8F\xBD"},
    {8, 0, 2624,
     ""},
    {7, 8, 2624,
     "\xE2\x96\x81" "a\xE2\x96\x81" "b"},
    {8, 0, 2632,
     ""},
};
static const norm_chain norm_chains[] = {
    {"[{\"type\": \"NFC\"}]",
     0, 3, "de0a2980f40c3e6771c8a205fcc7f21571cec94a5ffe7ab62fee0cc2599fdfde",
     "3b1cbea15f68db0a2b049696b81c58574a9cc9eeb49d3e965b44f7bb5014e71a",
     "77499efb8f60555680bd8ebdd47e30e25f87cf8fedcf16ba5bceca607b1af640"},
    {"[{\"type\": \"NFD\"}]",
     3, 3, "e3f51e80921b6a791f21b3044e57d7a1644bdc47c263a41ec4381db4117f6337",
     "ba3362a2ca1667024050b774f544e40ed5ebb74191ee79f54060f1e7c2fa0665",
     "35ab01bb821ad4da29b20d84938304b8adce354abd2f1d549fa6315434d416cc"},
    {"[{\"type\": \"NFKC\"}]",
     6, 3, "582c81fc04f210c663348ddfbe5463f9367acf9fd259b3b442f9d8dda697f71a",
     "1ed757264ddb6a021d762209761b93aca500a0c31eab6a84b1acf32e7e9094ef",
     "bfac9bcd8ac409c6bd40a4e28fa46988cd335f0473deab1ca1ca94f2b566a33a"},
    {"[{\"type\": \"NFKD\"}]",
     9, 3, "e978933f1708002b347fa3ced6f7d938b260a4b11b782da860f4f7b871003750",
     "b15ed79a68878d4387ec684a100739abf4229e91e1d476806af6259cdc6c2e22",
     "4455f150a4d7ed1978daab9c1beae4b016364e887e0ca688813281cd26337805"},
    {"[{\"type\": \"Nmt\"}]",
     12, 2, "064686cee4993070cb01c5847674abdb63699b079d70896c90fabc6d3a8448b9",
     "d36d8993cc0b6efe740ada831c8fdf0ba2a332122f9b8cb7b3b121b29357b673",
     "82dc4023086cbe2529defd5c084e8873a38995502e3f70e3abab775abd6ccd2e"},
    {"[{\"type\": \"StripAccents\"}]",
     14, 2, "2d830a8f2422edc631d1d5c8456abf28a3f434f9ebae92f364b93c56ac086ef6",
     "2f3baa1a9dc99f1adedd503e586d65ed17919c8bb8692ca669fa68361e292c73",
     "963c13dba407dd028d065bd139968daa9b8210fe0df2afcf765dbb89abbd0b83"},
    {"[{\"type\": \"Lowercase\"}]",
     16, 2, "2ab6900e5b84e9cd4405f50d4cd5ea7e9cdf08e4bb337c3dee60cc7e6448bbc5",
     "66cd3c129fe93333f683dda2a3a40afaebd0390f832d0da2b893203275022b5f",
     "5326d0739282f586f1413b7f6804c77eaf6d16334863b81483458335df8762f1"},
    {"[{\"type\": \"ByteLevel\"}]",
     18, 1, "c27f37a8402af62e5b47f27fb793954e565e84690bd596a4d84c07ba85704adb",
     "96fc93b18880e73f7f3c1058f7f3abc116bcace9705e73ca3b8121ca3a5b7a5d",
     "fdaabbfe29ef30e15c15fb40fbb0808de37d75b8902c945355564dda9b76bcce"},
    {"[{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true"
     "}]",
     19, 3, "9d20805c339dc6dc8a18d87aaaa607ac42e3be51a9709d35f43d074a9d77b949",
     "a8a7d980464dae2312d00e829bcf870ce7fdf1e6db214c2057d52c93426df972",
     "20f780daee98780448bdffadf4138fae6c65fb50103f1fcd1c8272792d7e8a16"},
    {"[{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": fals"
     "e}]",
     22, 3, "524360954507283b5893231e88977390172e058d7a594e598b8bbba40a4e8699",
     "5c8b78378c93668d580b93e4fafb0c497db8849d61bde854ae68b422070e2a56",
     "34d5ee4d2821a62b09e20c9fec42abeb101ee4560f35183e187a4563321621ec"},
    {"[{\"type\": \"BertNormalizer\", \"clean_text\": false, \"handle_chinese_chars\": false, \"strip_accents\": true, \"lowercase\": fa"
     "lse}]",
     25, 3, "abd6b1eddaffcaa30d697903982ba380821fcbfae1001119ab913dbf102b0f3b",
     "b66aa7186e7573418bf95b04a989b0b1a343d455ba77d29bec46c2a5a6d2ec25",
     "bb098dd90a411e233c32f0f74c5f8fdd12e56aaba2eca78dee60b74294139059"},
    {"[{\"type\": \"BertNormalizer\", \"clean_text\": false, \"handle_chinese_chars\": true, \"strip_accents\": false, \"lowercase\": tr"
     "ue}]",
     28, 3, "dac5a9a207d7910ebad3f74ab3c0ba4520169074b1ad6735a85942eb58ddab16",
     "c3e3e520ad13bd8257222dd70f3f0cfa885df9e690cfd9c6c900c541e19decd5",
     "a9200be20ce570bbe18d1019c67972aa6769152eaa8dcbb8297714ee64f56dc6"},
    {"[{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}]",
     31, 2, "6a0966716ada16b3ce58827aab9ac52d713b803d36bbe1a3639095d53b08e6f3",
     "3b9cccf810dd3b640a73ef9ae32217ce37804a911eb0225274e5d833f266da8e",
     "25ed5c82dbf360034a251da6d41f90b93b911787783239bdf1ea8fbf9714d235"},
    {"[{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": false}]",
     33, 2, "6a0966716ada16b3ce58827aab9ac52d713b803d36bbe1a3639095d53b08e6f3",
     "d4241aad57f07ca88f22df517f509804829176ffcae4111a4bef360df6900c66",
     "ecd589de96d22b2c34df12ea44674c758735ba129f8aff2d13d044473cb54d23"},
    {"[{\"type\": \"Strip\", \"strip_left\": false, \"strip_right\": true}]",
     35, 2, "6a0966716ada16b3ce58827aab9ac52d713b803d36bbe1a3639095d53b08e6f3",
     "5068eb7fddb18a0f4cd5c0a995f6b6996f7f2f68697124e79c4913981f5ed608",
     "49e43d4ef2c732432583014cff79e147babaad4e4a65a93c2687199c501710be"},
    {"[{\"type\": \"Prepend\", \"prepend\": \"\\u2581\"}]",
     37, 2, "9582c32808e0779789e925c847ab4b1087651a3814a7e3d6e5ada99021f711f5",
     "6d82bbc38f505c3a52bee5994e27d1777cd7ddb795c39c68a57f3fbd105083ee",
     "c6c98b3827d477ce44735d32e70650604c84d71ff994a5f0402ca4c2f5f75fd4"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\\u2581\"}]",
     39, 4, "3adee892c2c33a84a8bb5e384ca38a2133d5a123bef82ea14d5f4bb2a203bd74",
     "9fc0d460aa12f432bc4f2460da951c9324a8a9e91bb3592951b795a0c19ad606",
     "22ea3b89d99cfe7107df66da899d6d6da8c553b013ddd3de11a8c8522a1bf94d"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"-\"}]",
     43, 4, "99964622722e600c53fba30bc6ddac15efc69806f46485f30edc03676fc0f38f",
     "71169e1baa1ba4cc24e7ef87949fba3813744b92fd295152a9fa91cae3d43674",
     "5dbb867f0992e8689ac1f317461b5686f4e6cc162a0bf8e93cc7ae13f6d1a131"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"String\": \"e\\u0301\"}, \"content\": \"\\u00e9\"}]",
     47, 4, "b55b9db55c0dafcad35dfcfce4f20e10e5bc3e6d2ce23d46e31e4cd3ffac966a",
     "e9ed3e7d6e4e99219538cfc74c6e0e783573b17119868eb45167ae9321c57edc",
     "9487e2268ea370b38a2d6d168ba5b89d20fb74b6b36cd80be02ce0c1cbe4adad"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"content\": \" \"}]",
     51, 4, "4158d02fc1f1eec2789a3b847e35d2cb441aaddf1ab7232fa72f86bb66afd7af",
     "69cc1b3e02a69606fddbc4f4c8033280f04a59723344f1e8a8e5c83c2a6b8917",
     "66f81baabaa48231dc452c7674aa9c45ad30883894e0a692c61831fe365728a4"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[^x]*\"}, \"content\": \".\"}]",
     55, 4, "e2cbf9ec50fe76b34270785bd8dd049ce9eb0c9a3703168fa3f63d13b84c2eed",
     "c3750d9152a673c9a5b0d0d1c265ee406def5a0444a7f24f2ac5e8a2b018a953",
     "82eca77488335b3a0586862603f5d353a3e79d767af56a4e016316c034d919f5"},
    {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(?<=e)\\u0301|$\"}, \"content\": \"\\u2581\"}]",
     59, 4, "bd486f2dc6f2174cbffe5789b0d4923e2936014e709ec064f252563df70ec5bf",
     "b3b6e1f8fe70effeb3801a6a1e761c26d25973b6102c7085370f0335de4d4e8f",
     "d54bccbfd204286f37a78ee3597450f851f298785809d74eaa9d79df83235012"},
    {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAQAAAAEAAAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACACQUAAAcAAIAAAACAAAAAgA0FA"
     "AAJAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAhwgAAAAAAIA"
     "AAACAAAAAgAAAAIAAAACAgQUAAAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAA"
     "ACAAAAAgAAAAIAAAACAAAAAgAAAAICsCAAApAQAAAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgBQAAICjBQAAAAAAgAAAAIAAAACAAAAAgAAAAIAAAAC"
     "AAAAAgAAAAIC4BAAAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgGEFAAAPAACAgAQAAAAAAIBlBAAAAAAAgAAAAIAAAACAaQQAAAAAAIALAACAqQUAAAAAAIAAAACAA"
     "AAAgJ8EAAAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAYAACAgAUAAAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAA"
     "AgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAg"
     "AAAAIAAAACAAAAAgAAAAIAAAACAAAAAgMwEAAAAAACAAAAAgAAAAIDMBAAAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAA"
     "AAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgIEFAAADAACAAAAAgMIEAAAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAA"
     "ICVBQAAFgAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgIEFAAARAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgOAEAAAAAACA4gQAAAAAAIAAAACAAAAAgAAAAIC"
     "LBQAABgAAgAAAAIAAAACAAAAAgMwEAADvBAAAAAAAgAAAAIDwBAAAAAAAgAAAAIAAAACAAAAAgJgEAAAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIDDq"
     "QBmaQAAIABSAChjKQBBAEtLAEoAawA6KQA=\"}]",
     63, 2, "259162d9d10d12112ce7f2416b1c6b8506dedc7b2a857bc01a6594c408601111",
     "b2d9601d3dec9540f93d5bf4ac88068f28e5318fbc3609c3521bc03da57dd03f",
     NULL},
    {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"ABAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAQEIAAIBCAADAQgABAEIAAUBCAAGAQgABwEIAAgBCAAJAQgACgEIAAsBCAAMAQgADQEIAA4BCAAPAQgAEAEIABEBCAASAQgAEwEIABQBCAAVAQgAFgEIABcBCAAYAQg"
     "AGQEIABoBCAAbAQgAHAEIAB0BCAAeAQgAHwEIACABCAAhAQgAIgEIACMBCAAkAQgAJQEIACYBCAAnAQgAKAEIACkBCAAqAQgAKwEIACwBCAAtAQgALgEIAC8BCAAwAQgAM"
     "QEIADIBCAAzAQgANAEIADUBCAA2AQgANwEIADgBCAA5AQgAOgEIADsBCAA8AQgAPQEIAD4BCAA/AQgAQAEIAEEBCABCAQgAQwEIAEQBCABFAQgARgEIAEcBCABIAQgASQE"
     "IAEoBCABLAQgATAEIAE0BCABOAQgATwEIAFABCABRAQgAUgEIAFMBCABUAQgAVQEIAFYBCABXAQgAWAEIAFkBCABaAQgAWwEIAFwBCABdAQgAXgEIAF8BCABgAQgAYQEIA"
     "GIBCABjAQgAZAEIAGUBCABmAQgAZwEIAGgBCABpAQgAagEIAGsBCABsAQgAbQEIAG4BCABvAQgAcAEIAHEBCAByAQgAcwEIAHQBCAB1AQgAdgEIAHcBCAB4AQgAeQEIAHo"
     "BCAB7AQgAfAEIAH0BCAB+AQgAfwEIAIABCACBAQgAggEIAIMBCACEAQgAhQEIAIYBCACHAQgAiAEIAIkBCACKAQgAiwEIAIwBCACNAQgAjgEIAI8BCACQAQgAkQEIAJIBC"
     "ACTAQgAlAEIAJUBCACWAQgAlwEIAJgBCACZAQgAmgEIAJsBCACcAQgAnQEIAJ4BCACfAQgAoAEIAKEBCACiAQgAowEIAKQBCAClAQgApgEIAKcBCACoAQgAqQEIAKoBCAC"
     "rAQgArAEIAK0BCACuAQgArwEIALABCACxAQgAsgEIALMBCAC0AQgAtQEIALYBCAC3AQgAuAEIALkBCAC6AQgAuwEIALwBCAC9AQgAvgEIAL8BCADAAQgAwQEIAMIBCADDA"
     "QgAxAEIAMUBCADGAQgAxwEIAMgBCADJAQgAygEIAMsBCADMAQgAzQEIAM4BCADPAQgA0AEIANEBCADSAQgA0wEIANQBCADVAQgA1gEIANcBCADYAQgA2QEIANoBCADbAQg"
     "A3AEIAN0BCADeAQgA3wEIAOABCADhAQgA4gEIAOMBCADkAQgA5QEIAOYBCADnAQgA6AEIAOkBCADqAQgA6wEIAOwBCADtAQgA7gEIAO8BCADwAQgA8QEIAPIBCADzAQgA9"
     "AEIAPUBCAD2AQgA9wEIAPgBCAD5AQgA+gEIAPsBCAD8AQgA/QEIAP4BCAD/AQgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAA"
     "IAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIA"
     "AAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAA"
     "ACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAAC"
     "AAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAA"
     "AAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAA"
     "AgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAg"
     "AAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAA"
     "AAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAA"
     "IAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIA"
     "AAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIAAAACAAAAAgAAAAIB4AA==\"}]",
     65, 2, "eb9c37d881439bef7c0df4e9139bbd5aba279121a80d3435165cd5d4a9661268",
     "2cd621d02036ba40d74cfa23bf9df0a67306fa3d951dc301ec8266798ea7203b",
     NULL},
    {"[{\"type\": \"NFKD\"}, {\"type\": \"StripAccents\"}, {\"type\": \"Lowercase\"}, {\"type\": \"Strip\", \"strip_left\": true, \"stri"
     "p_right\": true}]",
     67, 2, "48e4f7ca8075bf47810ede7e30db765b586dbdf8bdd4e1607ee9a635d13b98ac",
     "45eb43a56be54e5c34425133dbc90942cb145faedad6c37f6f56524c770f9fa2",
     "9b0ae2cfe8482a8cf4881b8808fc64cf3438500f594b0b8b5b7e16ac4cd2073a"},
    {"[{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}, {\"type\": \"Prepend\", \"prepend\": \"\\u2581\"}, {\"type\":"
     " \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\\u2581\"}]",
     69, 2, "9a387808173a3b2c68bdb4f177856dbea5d71c3a8cf680a502c3a0776e0c6687",
     "fb06aad3a64094cef68985acbee8a5d95c05c94e5cfad11e8e8c54ea562950c3",
     "7c1c5191f351d673d8d421f13346cd305b6dcbf357106037c4bed34970a6b6a0"},
};
/* The same of classes: 1 for a member, 0 for another */
static const char *const norm_classes[][2] = {
    {"space", "e99456ac7ee61adad8fe38ccd25fa42f7396c8159d1540c2fa00ebffcd7b83fb"},
    {"numeric", "e400e56e900000a69d11abaa45b47668484fb613d073546e318f54b9e4ebb8ff"},
    {"word", "56bc9720aaffc8c1ae095a4422cd81aa46eafbe8eb66d3d5c4cc72ae983b056e"},
    {"punctuation", "2c08ebdf9908f454f5da2d65125e866aa6a667b35e94cb21bafb9a9718a38a71"},
};
// clang-format on
