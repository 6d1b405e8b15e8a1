// What makes an endpoint's packets safe: the keys of both directions, and the checks by which the party shows where it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "address.hpp"
#include "ice.hpp"
#include "srtp.hpp"

namespace ramal {

// Both directions of one master key each. Made outside the engine's thread, since making allocates.
struct SrtpKeys {
    std::shared_ptr<SrtpContext> incoming;
    std::shared_ptr<SrtpContext> outgoing;
};

class EndpointSecurity {
public:
    // A direction whose key is the one it has goes on as it is. `ssrc`: whom we hear now.
    void change_keys(const SrtpKeys& keys, uint32_t ssrc);
    bool keyed() const { return keys_.incoming != nullptr; }

    // The size afterwards; nothing: not to be sent, or not to be used.
    std::optional<size_t> protect_rtp(uint8_t* data, size_t size);
    std::optional<size_t> protect_rtcp(uint8_t* data, size_t size);
    std::optional<size_t> open_rtp(uint8_t* data, size_t size);
    std::optional<size_t> open_rtcp(uint8_t* data, size_t size);
    // Whether the last packet that was opened is the newest of the stream: its source is where the party is now.
    bool last_was_newest() const { return keyed() && keys_.incoming->last_was_newest(); }

    // Whether one more datagram of a handshake may be handed on: nobody shall flood Python.
    bool admit_handshake(int64_t now);

    IceLite ice;
    // Checks are expected: nothing is sent to an address that did not show itself by one.
    bool checked = false;
    // Datagrams of DTLS are handed on.
    bool handshakes = false;
    // Where the last of them came from.
    SocketAddress handshake_from;
    bool consent_lost = false;

private:
    SrtpKeys keys_;
    // Good until the first packet under the key that follows it.
    std::shared_ptr<SrtpContext> previous_;
    int64_t window_ = 0;
    int admitted_ = 0;
};

}  // namespace ramal
