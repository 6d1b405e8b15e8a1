// ICE as a lite agent (RFC 8445 section 2.5): answers the checks of a party that can reach us, and knows the addresses they came from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "address.hpp"
#include "hmac.hpp"

namespace ramal {

// The largest response: header, mapped IPv6 address, integrity, fingerprint.
constexpr size_t kLargestCheckResponse = 20 + 24 + 24 + 8;

// True for the first byte of STUN among what else comes to a port of RTP (RFC 7983).
inline bool is_stun(const uint8_t* data, size_t size) { return size >= 20 && data[0] < 4; }
inline bool is_dtls(const uint8_t* data, size_t size) { return size >= 13 && data[0] >= 20 && data[0] <= 63; }

class IceLite {
public:
    // What the party was told; the words before stay good until these are used (RFC 8445 section 9).
    void expect(const std::string& fragment, const std::string& password);

    struct Response {
        size_t size;
        // Stays valid as long as this lives.
        const SocketAddress* to;
        // The party chose this way (RFC 8445 section 7.3.1.5).
        bool nominated;
    };
    // Makes the response of an authentic check in its own place, which has room for kLargestCheckResponse bytes;
    // nothing for all else, which is left without an answer.
    std::optional<Response> check(uint8_t* data, size_t size, const SocketAddress& from, int64_t now);

    // Null: no check came from there.
    const SocketAddress* validated(const SocketAddress& from) const;
    int64_t last_check() const { return last_check_; }

private:
    struct Credentials {
        std::string fragment;
        HmacSha1 key;
    };
    struct Way {
        SocketAddress address;
        int64_t checked = 0;
    };
    const HmacSha1* authenticate(uint8_t* data, size_t integrity, const uint8_t* name, size_t name_size);
    const SocketAddress* remember(const SocketAddress& from, int64_t now);

    Credentials current_;
    Credentials previous_;
    std::array<Way, 8> ways_;
    int64_t last_check_ = 0;
};

}  // namespace ramal
