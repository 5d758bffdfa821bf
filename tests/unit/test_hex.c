// TEST rooms: base  labels: unit
/* Hexadecimal digits: every byte there and back, known texts, a known hash, what is no digit. */
#include "lt_test.h"

#include "base/hex.h"
#include "base/sha256.h"

#include <string.h>

int main(void) {
    unsigned char all[256], back[256];
    char text[2 * 256 + 1], hash[LT_SHA_HEX_BYTES];
    for (int i = 0; i < 256; i++) all[i] = (unsigned char)i;
    memset(text, '?', sizeof text);
    lt_hex_write(all, sizeof all, text);
    CHECK(strlen(text) == 512 && memcmp(text, "000102030405060708090a0b0c0d0e0f10", 34) == 0 && strcmp(text + 506, "fdfeff") == 0);
    CHECK(lt_hex_read(text, sizeof back, back) && memcmp(all, back, sizeof all) == 0);
    text[101] ^= 1; /* another digit is another byte */
    CHECK(lt_hex_read(text, sizeof back, back) && memcmp(all, back, sizeof all) != 0);

    lt_hex_write(all, 0, text);
    CHECK(text[0] == 0 && lt_hex_read("", 0, back));
    static const char *const bad[] = {"0g", "g0", "0A", "/0", "0:", "0`", " 1", "1", "", "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!lt_hex_read(bad[i], 1, back));

    CHECK(lt_sha_bytes("abc", 3, hash) == LT_OK);
    CHECK(strcmp(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
    return test_end();
}
