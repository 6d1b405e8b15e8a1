#include "hmac.hpp"

#include <openssl/crypto.h>

#include <cstring>

namespace ramal {

HmacSha1::HmacSha1(const uint8_t* key, size_t size) {
    std::array<uint8_t, SHA_CBLOCK> block{};
    if (size > block.size()) {
        SHA1(key, size, block.data());
    } else if (size > 0) {
        std::memcpy(block.data(), key, size);
    }
    for (uint8_t& byte : block) byte ^= 0x36;
    SHA1_Init(&inner_);
    SHA1_Update(&inner_, block.data(), block.size());
    for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5C;
    SHA1_Init(&outer_);
    SHA1_Update(&outer_, block.data(), block.size());
    OPENSSL_cleanse(block.data(), block.size());
}

HmacSha1::~HmacSha1() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
}

HmacSha1::Tag HmacSha1::sign(const uint8_t* data, size_t size, const uint8_t* more, size_t more_size) const {
    Tag tag;
    SHA_CTX state = inner_;
    SHA1_Update(&state, data, size);
    if (more_size > 0) SHA1_Update(&state, more, more_size);
    SHA1_Final(tag.data(), &state);
    state = outer_;
    SHA1_Update(&state, tag.data(), tag.size());
    SHA1_Final(tag.data(), &state);
    return tag;
}

bool equal_in_constant_time(const uint8_t* a, const uint8_t* b, size_t size) { return CRYPTO_memcmp(a, b, size) == 0; }

}  // namespace ramal
