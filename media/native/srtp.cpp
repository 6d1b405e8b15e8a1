#include "srtp.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "bytes.hpp"
#include "rtp.hpp"

namespace ramal {
namespace {

constexpr size_t kKey = 16;
constexpr size_t kHmacKey = 20;
constexpr size_t kSalt = 14;
constexpr size_t kAeadSalt = 12;
constexpr size_t kLongTag = 10;
constexpr size_t kShortTag = 4;
constexpr size_t kGcmTag = 16;
constexpr size_t kRtcpHeader = 8;
constexpr uint32_t kEncrypted = 0x8000'0000;
// Labels of key derivation (RFC 3711 section 4.3.2): encryption, authentication and salt of SRTP; those of SRTCP follow.
constexpr uint8_t kRtpLabel = 0;
constexpr uint8_t kRtcpLabel = 3;

struct CipherFreed {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

void check(bool well) {
    if (!well) throw std::runtime_error("the cipher library refuses a key");
}

bool is_aead(SrtpProfile profile) { return profile == SrtpProfile::aead_aes_128_gcm; }

// Only the tags of SRTP are short in the profile with 32 bits (RFC 4568 section 6.2.2).
size_t tag_size_of(SrtpProfile profile, uint8_t label) {
    if (is_aead(profile)) return kGcmTag;
    return profile == SrtpProfile::aes_cm_128_hmac_sha1_32 && label == kRtpLabel ? kShortTag : kLongTag;
}

const uint8_t* bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

const std::string& checked(SrtpProfile profile, const std::string& master) {
    const auto wanted = master_size(profile);
    if (!wanted) throw std::invalid_argument("no such protection profile");
    if (master.size() != *wanted) throw std::invalid_argument("a master key of another length");
    return master;
}

// Where the payload begins: behind sources and extension, which stay readable. Nothing for what is no RTP.
std::optional<size_t> payload_start(const uint8_t* data, size_t size) {
    if (size < kRtpHeader || data[0] >> 6 != 2) return std::nullopt;
    size_t start = kRtpHeader + 4u * (data[0] & 0x0F);
    if (data[0] & 0x10) {
        if (size < start + 4) return std::nullopt;
        start += 4 + 4u * get16(data + start + 2);
    }
    if (size < start) return std::nullopt;
    return start;
}

// RFC 7714 section 8.1.
SessionCipher::Vector rtp_vector(uint32_t ssrc, uint64_t index) {
    SessionCipher::Vector vector{};
    put32(vector.data() + 2, ssrc);
    put32(vector.data() + 6, static_cast<uint32_t>(index >> 16));
    put16(vector.data() + 10, static_cast<uint16_t>(index));
    return vector;
}

// RFC 7714 section 9.1.
SessionCipher::Vector rtcp_vector(uint32_t ssrc, uint32_t index) {
    SessionCipher::Vector vector{};
    put32(vector.data() + 2, ssrc);
    put32(vector.data() + 8, index);
    return vector;
}

}  // namespace

std::optional<size_t> master_size(SrtpProfile profile) {
    switch (profile) {
        case SrtpProfile::aes_cm_128_hmac_sha1_80:
        case SrtpProfile::aes_cm_128_hmac_sha1_32:
            return kKey + kSalt;
        case SrtpProfile::aead_aes_128_gcm:
            return kKey + kAeadSalt;
    }
    return std::nullopt;
}

// AES in counter mode over zeros, from the salt with a label in it; the salt of AEAD is padded with zeros (RFC 7714 section 11).
std::string derive(const std::string& master, uint8_t label, size_t size) {
    if (master.size() < kKey) throw std::invalid_argument("a master key that is too short");
    std::array<uint8_t, 16> vector{};
    std::memcpy(vector.data(), master.data() + kKey, std::min(master.size() - kKey, kSalt));
    vector[7] ^= label;
    const std::unique_ptr<EVP_CIPHER_CTX, CipherFreed> context(EVP_CIPHER_CTX_new());
    check(context != nullptr && EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, bytes(master), vector.data()) == 1);
    std::string out(size, '\0');
    auto* start = reinterpret_cast<uint8_t*>(out.data());
    int written = 0;
    check(EVP_EncryptUpdate(context.get(), start, &written, start, static_cast<int>(size)) == 1);
    return out;
}

SessionKey::SessionKey(SrtpProfile profile, const std::string& master, uint8_t label)
    : key(derive(checked(profile, master), label, kKey)),
      salt(derive(master, static_cast<uint8_t>(label + 2), is_aead(profile) ? kAeadSalt : kSalt)),
      authentication(is_aead(profile) ? std::string() : derive(master, static_cast<uint8_t>(label + 1), kHmacKey)) {}

SessionKey::SessionKey(std::string key, std::string salt, std::string authentication)
    : key(std::move(key)), salt(std::move(salt)), authentication(std::move(authentication)) {}

SessionKey::~SessionKey() {
    for (std::string* secret : {&key, &salt, &authentication}) OPENSSL_cleanse(secret->data(), secret->size());
}

SessionCipher::SessionCipher(SrtpProfile profile, const SessionKey& key, size_t tag_size, bool sending)
    : aead_(is_aead(profile)), tag_size_(tag_size), hmac_(bytes(key.authentication), key.authentication.size()), context_(EVP_CIPHER_CTX_new()) {
    if (key.key.size() != kKey || key.salt.size() != (aead_ ? kAeadSalt : kSalt)) throw std::invalid_argument("a session key of another length");
    std::memcpy(salt_.data(), key.salt.data(), key.salt.size());
    const EVP_CIPHER* cipher = aead_ ? EVP_aes_128_gcm() : EVP_aes_128_ctr();
    // Counter mode is the same both ways.
    check(context_ != nullptr && EVP_CipherInit_ex(context_.get(), cipher, nullptr, bytes(key.key), nullptr, aead_ && !sending ? 0 : 1) == 1);
}

SessionCipher::~SessionCipher() { OPENSSL_cleanse(salt_.data(), salt_.size()); }

void SessionCipher::crypt(uint32_t ssrc, uint64_t index, uint8_t* data, size_t size) {
    std::array<uint8_t, 16> vector{};
    put32(vector.data() + 4, ssrc);
    put16(vector.data() + 8, static_cast<uint16_t>(index >> 32));
    put32(vector.data() + 10, static_cast<uint32_t>(index));
    for (size_t i = 0; i < salt_.size(); ++i) vector[i] ^= salt_[i];
    int written = 0;
    EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, vector.data(), -1);
    EVP_CipherUpdate(context_.get(), data, &written, data, static_cast<int>(size));
}

bool SessionCipher::begin(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size) {
    std::array<uint8_t, 12> nonce;
    for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = vector[i] ^ salt_[i];
    int written = 0;
    if (EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), -1) != 1) return false;
    if (EVP_CipherUpdate(context_.get(), nullptr, &written, head, static_cast<int>(head_size)) != 1) return false;
    return more_size == 0 || EVP_CipherUpdate(context_.get(), nullptr, &written, more, static_cast<int>(more_size)) == 1;
}

bool SessionCipher::seal(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size, uint8_t* data,
                         size_t size) {
    int written = 0;
    uint8_t nothing[16];
    if (!begin(vector, head, head_size, more, more_size)) return false;
    if (size > 0 && EVP_CipherUpdate(context_.get(), data, &written, data, static_cast<int>(size)) != 1) return false;
    if (EVP_CipherFinal_ex(context_.get(), nothing, &written) != 1) return false;
    return EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTag, data + size) == 1;
}

bool SessionCipher::open(const Vector& vector, const uint8_t* head, size_t head_size, const uint8_t* more, size_t more_size, uint8_t* data,
                         size_t size) {
    int written = 0;
    uint8_t nothing[16];
    if (!begin(vector, head, head_size, more, more_size)) return false;
    if (EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTag, data + size) != 1) return false;
    if (size > 0 && EVP_CipherUpdate(context_.get(), data, &written, data, static_cast<int>(size)) != 1) return false;
    return EVP_CipherFinal_ex(context_.get(), nothing, &written) == 1;
}

SrtpContext::SrtpContext(SrtpProfile profile, const std::string& master, size_t identifier_size, bool sending)
    : profile_(profile),
      master_(checked(profile, master)),
      identifier_size_(identifier_size),
      rtp_(profile, SessionKey(profile, master, kRtpLabel), tag_size_of(profile, kRtpLabel), sending),
      rtcp_(profile, SessionKey(profile, master, kRtcpLabel), tag_size_of(profile, kRtcpLabel), sending) {
    if (identifier_size > kLongestKeyIdentifier) throw std::invalid_argument("a master key identifier that is too long");
}

SrtpContext::SrtpContext(SrtpProfile profile, const SessionKey& rtp, const SessionKey& rtcp, bool sending)
    : profile_(profile),
      identifier_size_(0),
      rtp_(profile, rtp, tag_size_of(profile, kRtpLabel), sending),
      rtcp_(profile, rtcp, tag_size_of(profile, kRtcpLabel), sending) {}

SrtpContext::~SrtpContext() { OPENSSL_cleanse(master_.data(), master_.size()); }

std::optional<uint64_t> SrtpContext::newest_index(uint32_t ssrc) {
    const ReplayWindow* stream = rtp_streams_.find(ssrc);
    if (stream == nullptr) return std::nullopt;
    return stream->newest();
}

std::optional<size_t> SrtpContext::protect_rtp(uint8_t* data, size_t size) {
    const auto header = payload_start(data, size);
    if (!header) return std::nullopt;
    const uint32_t ssrc = get32(data + 8);
    const uint16_t sequence = get16(data + 2);
    ReplayWindow* stream = rtp_streams_.find(ssrc);
    const auto index = stream != nullptr ? index_of(sequence, stream->newest()) : std::optional<uint64_t>(sequence);
    if (!index || (stream != nullptr && !stream->fresh(*index))) return std::nullopt;
    if (rtp_.aead()) {
        if (!rtp_.seal(rtp_vector(ssrc, *index), data, *header, nullptr, 0, data + *header, size - *header)) return std::nullopt;
    } else {
        rtp_.crypt(ssrc, *index, data + *header, size - *header);
        uint8_t rollover[4];
        put32(rollover, static_cast<uint32_t>(*index >> 16));
        std::memcpy(data + size, rtp_.sign(data, size, rollover, sizeof rollover).data(), rtp_.tag_size());
    }
    (stream != nullptr ? *stream : rtp_streams_.add(ssrc)).note(*index);
    return size + rtp_.tag_size();
}

// `size` is that of the packet without tag and key identifier, which stand behind it.
bool SrtpContext::open_rtp(uint8_t* data, size_t header, size_t size, uint64_t index) {
    const uint32_t ssrc = get32(data + 8);
    if (rtp_.aead()) return rtp_.open(rtp_vector(ssrc, index), data, header, nullptr, 0, data + header, size - header);
    uint8_t rollover[4];
    put32(rollover, static_cast<uint32_t>(index >> 16));
    const HmacSha1::Tag tag = rtp_.sign(data, size, rollover, sizeof rollover);
    if (!equal_in_constant_time(tag.data(), data + size + identifier_size_, rtp_.tag_size())) return false;
    rtp_.crypt(ssrc, index, data + header, size - header);
    return true;
}

// The first packet that is heard of a stream need not be its first: it may have rolled over once before, or go on from another key.
std::optional<uint64_t> SrtpContext::open_first(uint8_t* data, size_t header, size_t size) {
    const uint16_t sequence = get16(data + 2);
    std::array<std::optional<uint64_t>, 3> tries{sequence, std::nullopt, std::nullopt};
    if (sequence < 0x4000) tries[1] = 0x1'0000u + sequence;
    if (continued_ && continued_->ssrc == get32(data + 8)) tries[2] = index_of(sequence, continued_->index);
    // What AEAD has tried is garbage.
    std::array<uint8_t, kLargestPacket> kept;
    std::memcpy(kept.data(), data + header, size - header);
    for (const auto index : tries) {
        if (!index) continue;
        if (open_rtp(data, header, size, *index)) return index;
        if (rtp_.aead()) std::memcpy(data + header, kept.data(), size - header);
    }
    return std::nullopt;
}

std::optional<size_t> SrtpContext::unprotect_rtp(uint8_t* data, size_t size) {
    const size_t behind = rtp_.tag_size() + identifier_size_;
    const auto header = payload_start(data, size);
    if (!header || size > kLargestPacket || size < *header + behind) return std::nullopt;
    const size_t opened = size - behind;
    const uint32_t ssrc = get32(data + 8);
    ReplayWindow* stream = rtp_streams_.find(ssrc);
    if (stream == nullptr) {
        const auto index = open_first(data, *header, opened);
        if (!index) return std::nullopt;
        newest_ = rtp_streams_.add(ssrc).note(*index);
        return opened;
    }
    const auto index = index_of(get16(data + 2), stream->newest());
    if (!index || !stream->fresh(*index) || !open_rtp(data, *header, opened, *index)) return std::nullopt;
    newest_ = stream->note(*index);
    return opened;
}

std::optional<size_t> SrtpContext::protect_rtcp(uint8_t* data, size_t size) {
    if (size < kRtcpHeader || next_rtcp_index_ >= kEncrypted) return std::nullopt;
    const uint32_t ssrc = get32(data + 4);
    const uint32_t index = next_rtcp_index_++;
    uint8_t word[4];
    put32(word, kEncrypted | index);
    if (rtcp_.aead()) {
        // The tag stands before the index (RFC 7714 section 9.2).
        if (!rtcp_.seal(rtcp_vector(ssrc, index), data, kRtcpHeader, word, sizeof word, data + kRtcpHeader, size - kRtcpHeader)) return std::nullopt;
        std::memcpy(data + size + kGcmTag, word, sizeof word);
        return size + kGcmTag + sizeof word;
    }
    rtcp_.crypt(ssrc, index, data + kRtcpHeader, size - kRtcpHeader);
    std::memcpy(data + size, word, sizeof word);
    const HmacSha1::Tag tag = rtcp_.sign(data, size + sizeof word, nullptr, 0);
    std::memcpy(data + size + sizeof word, tag.data(), rtcp_.tag_size());
    return size + sizeof word + rtcp_.tag_size();
}

std::optional<size_t> SrtpContext::unprotect_rtcp(uint8_t* data, size_t size) {
    constexpr size_t kWord = 4;
    const size_t behind = kWord + rtcp_.tag_size() + identifier_size_;
    if (size > kLargestPacket || size < kRtcpHeader + behind || data[0] >> 6 != 2) return std::nullopt;
    const size_t opened = size - behind;
    uint8_t* word = data + opened + (rtcp_.aead() ? kGcmTag : 0);
    // What is sent in the clear was not agreed.
    if ((get32(word) & kEncrypted) == 0) return std::nullopt;
    const uint32_t index = get32(word) & ~kEncrypted;
    const uint32_t ssrc = get32(data + 4);
    ReplayWindow* stream = rtcp_streams_.find(ssrc);
    if (stream != nullptr && !stream->fresh(index)) return std::nullopt;
    if (rtcp_.aead()) {
        if (!rtcp_.open(rtcp_vector(ssrc, index), data, kRtcpHeader, word, kWord, data + kRtcpHeader, opened - kRtcpHeader)) return std::nullopt;
    } else {
        const HmacSha1::Tag tag = rtcp_.sign(data, opened + kWord, nullptr, 0);
        if (!equal_in_constant_time(tag.data(), word + kWord + identifier_size_, rtcp_.tag_size())) return std::nullopt;
        rtcp_.crypt(ssrc, index, data + kRtcpHeader, opened - kRtcpHeader);
    }
    (stream != nullptr ? *stream : rtcp_streams_.add(ssrc)).note(index);
    return opened;
}

}  // namespace ramal
