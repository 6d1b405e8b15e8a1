// HMAC-SHA1 (RFC 2104), for SRTP and for the checks of ICE.
#pragma once

// EVP copies a digest's state by allocating memory; these functions of the same library copy a plain value.
#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif
#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramal {

// Keeps the two states that a key leads to, so that a signature costs only the blocks of what is signed.
class HmacSha1 {
public:
    static constexpr size_t kSize = 20;
    using Tag = std::array<uint8_t, kSize>;

    HmacSha1() : HmacSha1(nullptr, 0) {}
    HmacSha1(const uint8_t* key, size_t size);
    ~HmacSha1();

    // Signs `data` and then `more`.
    Tag sign(const uint8_t* data, size_t size, const uint8_t* more = nullptr, size_t more_size = 0) const;

private:
    SHA_CTX inner_;
    SHA_CTX outer_;
};

// In the same time wherever they differ.
bool equal_in_constant_time(const uint8_t* a, const uint8_t* b, size_t size);

}  // namespace ramal
