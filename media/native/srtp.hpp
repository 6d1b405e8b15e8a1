// SRTP and SRTCP (RFC 3711; AEAD by RFC 7714): packets protected and opened in place, one direction of a session under one key.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "hmac.hpp"
#include "replay.hpp"

namespace ramal {

// The numbers are those of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
enum class SrtpProfile : uint16_t { aes_cm_128_hmac_sha1_80 = 1, aes_cm_128_hmac_sha1_32 = 2, aead_aes_128_gcm = 7 };

// A packet may grow by so much; its buffer must have room for it.
constexpr size_t kSrtpGrowth = 32;
constexpr size_t kLongestKeyIdentifier = 128;

// Bytes of key and salt together; nothing for a profile that is not spoken.
std::optional<size_t> master_size(SrtpProfile profile);

// What one kind of packets is protected with: derived of the master key, wiped when it is done with.
struct SessionKey {
    // `label`: 0 for SRTP, 3 for SRTCP. Throws std::invalid_argument or std::runtime_error.
    SessionKey(SrtpProfile profile, const std::string& master, uint8_t label);
    // As given; for what is known otherwise than by a master key.
    SessionKey(std::string key, std::string salt, std::string authentication);
    ~SessionKey();

    std::string key;
    std::string salt;
    // Empty for AEAD.
    std::string authentication;
};

// Bytes of the pseudorandom function of RFC 3711 section 4.3.3. Throws std::runtime_error.
std::string derive(const std::string& master, uint8_t label, size_t size);

// A session key at work.
class SessionCipher {
public:
    using Vector = std::array<uint8_t, 16>;

    // Throws std::invalid_argument or std::runtime_error.
    SessionCipher(SrtpProfile profile, const SessionKey& key, size_t tag_size, bool sending);
    ~SessionCipher();
    SessionCipher(const SessionCipher&) = delete;
    SessionCipher& operator=(const SessionCipher&) = delete;

    size_t tag_size() const { return tag_size_; }
    bool aead() const { return aead_; }

    // Counter mode: RFC 3711 section 4.1.1.
    void crypt(uint32_t ssrc, uint64_t index, uint8_t* data, size_t size);
    // The tag over `data` and the four bytes of `more`.
    HmacSha1::Tag sign(const uint8_t* data, size_t size, const uint8_t* more, size_t more_size) const { return hmac_.sign(data, size, more, more_size); }

    // AEAD: `vector` is the twelve bytes before the salt is added; associated data in two parts; the tag stands behind the data.
    bool seal(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size, uint8_t* data, size_t size);
    bool open(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size, uint8_t* data, size_t size);

private:
    bool begin(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size);

    struct Freed {
        void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    };
    const bool aead_;
    const size_t tag_size_;
    std::array<uint8_t, 14> salt_{};
    HmacSha1 hmac_;
    std::unique_ptr<EVP_CIPHER_CTX, Freed> context_;
};

// What is sent, or what is received, under one master key.
class SrtpContext {
public:
    // `master` is key and salt. `identifier_size` bytes of a master key identifier stand in each received packet, 0: none.
    // Throws std::invalid_argument or std::runtime_error.
    SrtpContext(SrtpProfile profile, const std::string& master, size_t identifier_size, bool sending);
    // Of the keys themselves.
    SrtpContext(SrtpProfile profile, const SessionKey& rtp, const SessionKey& rtcp, bool sending);
    ~SrtpContext();

    bool same_key(const SrtpContext& other) const { return profile_ == other.profile_ && master_ == other.master_; }

    // The size of the packet afterwards; nothing when it must not be sent: a key stream is never used twice.
    std::optional<size_t> protect_rtp(uint8_t* data, size_t size);
    std::optional<size_t> protect_rtcp(uint8_t* data, size_t size);
    // The size of the packet afterwards; nothing when it is not authentic, or came before. It is garbage then.
    std::optional<size_t> unprotect_rtp(uint8_t* data, size_t size);
    std::optional<size_t> unprotect_rtcp(uint8_t* data, size_t size);

    // Whether the last packet that was opened is the newest of its stream.
    bool last_was_newest() const { return newest_; }
    // The newest index of a stream, for the key that follows this one.
    std::optional<uint64_t> newest_index(uint32_t ssrc);
    // A stream that goes on under this key may go on with its rollover counter.
    void continue_from(uint32_t ssrc, uint64_t index) { continued_ = Continued{ssrc, index}; }

private:
    struct Continued {
        uint32_t ssrc;
        uint64_t index;
    };
    bool open_rtp(uint8_t* data, size_t header, size_t size, uint64_t index);
    std::optional<uint64_t> open_first(uint8_t* data, size_t header, size_t size);

    const SrtpProfile profile_;
    std::string master_;
    const size_t identifier_size_;
    SessionCipher rtp_;
    SessionCipher rtcp_;
    ReplayTable rtp_streams_;
    ReplayTable rtcp_streams_;
    uint32_t next_rtcp_index_ = 0;
    std::optional<Continued> continued_;
    bool newest_ = false;
};

}  // namespace ramal
