#include "ice.hpp"

#include <algorithm>
#include <cstring>

#include "bytes.hpp"

namespace ramal {
namespace {

constexpr uint16_t kBindingRequest = 0x0001;
constexpr uint16_t kBindingSuccess = 0x0101;
constexpr uint32_t kCookie = 0x2112'A442;
constexpr uint32_t kFingerprintMask = 0x5354'554E;
constexpr size_t kHeader = 20;
constexpr uint16_t kUsername = 0x0006;
constexpr uint16_t kIntegrity = 0x0008;
constexpr uint16_t kMappedAddress = 0x0020;
constexpr uint16_t kUseCandidate = 0x0025;
constexpr uint16_t kFingerprint = 0x8028;

constexpr std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < table.size(); ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0xEDB8'8320 : value >> 1;
        table[i] = value;
    }
    return table;
}

// The CRC-32 of ITU-T V.42, as RFC 8489 section 14.7 takes it.
uint32_t crc32(const uint8_t* data, size_t size) {
    static constexpr auto kTable = crc_table();
    uint32_t value = 0xFFFF'FFFF;
    for (size_t i = 0; i < size; ++i) value = kTable[(value ^ data[i]) & 0xFF] ^ value >> 8;
    return ~value;
}

// What matters of a check; places are from the message's start, 0: it is not there.
struct Attributes {
    size_t name = 0;
    size_t name_size = 0;
    size_t integrity = 0;
    size_t fingerprint = 0;
    bool use_candidate = false;
};

// Nothing where the attributes do not fill the message. What stands behind the integrity says nothing but the fingerprint.
std::optional<Attributes> read_attributes(const uint8_t* data, size_t size) {
    Attributes found;
    size_t at = kHeader;
    while (at + 4 <= size) {
        const uint16_t kind = get16(data + at);
        const size_t length = get16(data + at + 2);
        if (length > size - at - 4) return std::nullopt;
        if (kind == kFingerprint && length == 4) {
            found.fingerprint = at;
        } else if (found.integrity == 0 && kind == kUsername) {
            found.name = at + 4;
            found.name_size = length;
        } else if (found.integrity == 0 && kind == kIntegrity && length == HmacSha1::kSize) {
            found.integrity = at;
        } else if (found.integrity == 0 && kind == kUseCandidate) {
            found.use_candidate = true;
        }
        at += 4 + (length + 3) / 4 * 4;
    }
    if (at != size) return std::nullopt;
    return found;
}

size_t write_mapped(uint8_t* at, const SocketAddress& address) {
    const bool v4 = address.family() == AF_INET;
    put16(at, kMappedAddress);
    put16(at + 2, v4 ? 8 : 20);
    put16(at + 4, v4 ? 1 : 2);
    put16(at + 6, static_cast<uint16_t>(address.port() ^ kCookie >> 16));
    return v4 ? 12 : 24;
}

// An IPv4 address is mixed with the cookie, an IPv6 one with the transaction, too, both as they stand in the header.
void write_mixed(uint8_t* at, const uint8_t* address, size_t size, const uint8_t* header) {
    for (size_t i = 0; i < size; ++i) at[i] = address[i] ^ header[4 + i];
}

void sign(uint8_t* data, size_t at, const HmacSha1& key) {
    put16(data + 2, static_cast<uint16_t>(at + 24 - kHeader));
    put16(data + at, kIntegrity);
    put16(data + at + 2, HmacSha1::kSize);
    const HmacSha1::Tag tag = key.sign(data, at);
    std::memcpy(data + at + 4, tag.data(), tag.size());
    const size_t end = at + 24;
    put16(data + 2, static_cast<uint16_t>(end + 8 - kHeader));
    put16(data + end, kFingerprint);
    put16(data + end + 2, 4);
    put32(data + end + 4, crc32(data, end) ^ kFingerprintMask);
}

size_t write_response(uint8_t* data, const SocketAddress& from, const HmacSha1& key) {
    put16(data, kBindingSuccess);
    size_t at = kHeader + write_mapped(data + kHeader, from);
    if (from.family() == AF_INET) {
        write_mixed(data + kHeader + 8, reinterpret_cast<const uint8_t*>(&from.v4.sin_addr), 4, data);
    } else {
        write_mixed(data + kHeader + 8, reinterpret_cast<const uint8_t*>(&from.v6.sin6_addr), 16, data);
    }
    sign(data, at, key);
    return at + 24 + 8;
}

}  // namespace

void IceLite::expect(const std::string& fragment, const std::string& password) {
    if (fragment == current_.fragment) return;
    previous_ = current_;
    current_ = {fragment, HmacSha1(reinterpret_cast<const uint8_t*>(password.data()), password.size())};
}

std::optional<IceLite::Response> IceLite::check(uint8_t* data, size_t size, const SocketAddress& from, int64_t now) {
    if (size < kHeader || size > 1280 || get16(data) != kBindingRequest || get32(data + 4) != kCookie) return std::nullopt;
    if (get16(data + 2) != size - kHeader) return std::nullopt;
    const auto found = read_attributes(data, size);
    if (!found || found->name == 0 || found->integrity == 0 || found->fingerprint + 8 != size) return std::nullopt;
    if (get32(data + found->fingerprint + 4) != (crc32(data, found->fingerprint) ^ kFingerprintMask)) return std::nullopt;
    const HmacSha1* key = authenticate(data, found->integrity, data + found->name, found->name_size);
    if (key == nullptr) return std::nullopt;
    last_check_ = now;
    const SocketAddress* to = remember(from, now);
    return Response{write_response(data, from, *key), to, found->use_candidate};
}

// The name is ours, a colon, and the party's own, which need not be known yet (RFC 8445 section 7.2.2).
const HmacSha1* IceLite::authenticate(uint8_t* data, size_t integrity, const uint8_t* name, size_t name_size) {
    for (Credentials* words : {&current_, &previous_}) {
        const std::string& ours = words->fragment;
        if (ours.empty() || name_size <= ours.size() || name[ours.size()] != ':' || std::memcmp(name, ours.data(), ours.size()) != 0) continue;
        put16(data + 2, static_cast<uint16_t>(integrity + 24 - kHeader));
        const HmacSha1::Tag tag = words->key.sign(data, integrity);
        if (!equal_in_constant_time(tag.data(), data + integrity + 4, tag.size())) return nullptr;
        if (words == &current_) previous_.fragment.clear();
        return &words->key;
    }
    return nullptr;
}

const SocketAddress* IceLite::validated(const SocketAddress& from) const {
    const auto found = std::find_if(ways_.begin(), ways_.end(), [&](const Way& way) { return !way.address.empty() && way.address == from; });
    return found == ways_.end() ? nullptr : &found->address;
}

const SocketAddress* IceLite::remember(const SocketAddress& from, int64_t now) {
    Way* chosen = &ways_[0];
    for (Way& way : ways_) {
        if (!way.address.empty() && way.address == from) {
            way.checked = now;
            return &way.address;
        }
        if (way.checked < chosen->checked) chosen = &way;
    }
    *chosen = {from, now};
    return &chosen->address;
}

}  // namespace ramal
