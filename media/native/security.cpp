#include "security.hpp"

#include <algorithm>
#include <array>

#include "clock.hpp"
#include "rtp.hpp"

namespace ramal {

void EndpointSecurity::change_keys(const SrtpKeys& keys, uint32_t ssrc) {
    if (!keys_.outgoing || !keys_.outgoing->same_key(*keys.outgoing)) keys_.outgoing = keys.outgoing;
    if (keys_.incoming && keys_.incoming->same_key(*keys.incoming)) return;
    previous_ = keys_.incoming;
    keys_.incoming = keys.incoming;
    if (!previous_) return;
    if (const auto index = previous_->newest_index(ssrc)) keys_.incoming->continue_from(ssrc, *index);
}

std::optional<size_t> EndpointSecurity::protect_rtp(uint8_t* data, size_t size) {
    if (!keyed() || size > kLargestPacket) return std::nullopt;
    return keys_.outgoing->protect_rtp(data, size);
}

std::optional<size_t> EndpointSecurity::protect_rtcp(uint8_t* data, size_t size) {
    if (!keyed()) return std::nullopt;
    return keys_.outgoing->protect_rtcp(data, size);
}

std::optional<size_t> EndpointSecurity::open_rtp(uint8_t* data, size_t size) {
    if (!keyed() || size > kLargestPacket) return std::nullopt;
    if (!previous_) return keys_.incoming->unprotect_rtp(data, size);
    // What cannot be opened is garbage afterwards.
    std::array<uint8_t, kLargestPacket> kept;
    std::copy_n(data, size, kept.data());
    const auto opened = keys_.incoming->unprotect_rtp(data, size);
    if (opened) {
        previous_.reset();
        return opened;
    }
    std::copy_n(kept.data(), size, data);
    return previous_->unprotect_rtp(data, size);
}

std::optional<size_t> EndpointSecurity::open_rtcp(uint8_t* data, size_t size) {
    if (!keyed()) return std::nullopt;
    return keys_.incoming->unprotect_rtcp(data, size);
}

bool EndpointSecurity::admit_handshake(int64_t now) {
    constexpr int kMostInSecond = 64;
    if (now - window_ >= kSecond) {
        window_ = now;
        admitted_ = 0;
    }
    return ++admitted_ <= kMostInSecond;
}

}  // namespace ramal
