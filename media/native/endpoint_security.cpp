// The endpoint's encrypted side: what comes to its port is told apart, opened, and its source followed when it is authentic.
#include "clock.hpp"
#include "endpoint.hpp"

namespace ramal {
namespace {

// RFC 7675 section 5.1.
constexpr int64_t kConsent = 30 * kSecond;

}  // namespace

void Endpoint::encrypt(bool encrypted) {
    if (!encrypted) {
        security_.reset();
    } else if (!security_) {
        security_ = std::make_unique<EndpointSecurity>();
    }
}

void Endpoint::change_keys(const SrtpKeys& keys) { security_->change_keys(keys, reception_.ssrc()); }

void Endpoint::multiplex(bool multiplexed) {
    if (always_multiplexed_ != multiplexed) multiplexed_ = multiplexed;
    always_multiplexed_ = multiplexed;
}

void Endpoint::expect_checks(const std::string& fragment, const std::string& password, int64_t now) {
    encrypt(true);
    security_->ice.expect(fragment, password);
    security_->checked = true;
    alive_ = now;
}

void Endpoint::take_handshakes() {
    encrypt(true);
    security_->handshakes = true;
}

void Endpoint::send_handshake(const uint8_t* data, size_t size) {
    if (!security_) return;
    const SocketAddress& answered = security_->handshake_from;
    const SocketAddress& target = answered.empty() ? latch_.target() : answered;
    if (!target.empty()) transport_.send(pair->rtp, target, data, size);
}

// RFC 7983: the first byte tells what it is.
void Endpoint::secured_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now) {
    if (is_stun(data, size)) return check_received(data, size, from, now);
    if (is_dtls(data, size)) return handshake_received(data, size, from, now);
    if (is_rtcp(data, size)) return rtcp_received(data, size, from, now, true);
    const auto opened = security_->open_rtp(data, size);
    const auto packet = opened ? parse_rtp(data, *opened) : std::nullopt;
    if (!packet) return counters.packets_rejected.add(1);
    if (security_->last_was_newest()) follow(from);
    if (configured_ && settings_.receive) packet_received(*packet, now);
}

void Endpoint::follow(const SocketAddress& from) {
    if (from == latch_.target()) return;
    // With checks, an address is only good once the party has shown itself there.
    if (security_->checked ? security_->ice.validated(from) != nullptr : settings_.latching) latch_.follow(from);
}

void Endpoint::check_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now) {
    const auto response = security_->checked ? security_->ice.check(data, size, from, now) : std::nullopt;
    if (!response) return counters.packets_rejected.add(1);
    transport_.send(pair->rtp, *response->to, data, response->size);
    if (response->nominated || latch_.target().empty()) latch_.follow(from);
    security_->consent_lost = false;
}

void Endpoint::handshake_received(const uint8_t* data, size_t size, const SocketAddress& from, int64_t now) {
    // Without checks a phone behind NAT comes from anywhere, until its certificate has proved it and there are keys.
    const bool unproved = configured_ && settings_.latching && !security_->keyed();
    const bool known = security_->checked ? security_->ice.validated(from) != nullptr : unproved || from.same_host(latch_.target());
    if (!security_->handshakes || !known || !security_->admit_handshake(now)) return counters.packets_rejected.add(1);
    security_->handshake_from = from;
    events_.push({EventKind::handshake_received, id, 0, 0, {reinterpret_cast<const char*>(data), size}});
}

// A lite agent asks for no consent of its own; the party's checks tell that it is still there.
void Endpoint::supervise_consent(int64_t now) {
    if (!security_->checked || security_->consent_lost) return;
    const int64_t silent = now - std::max(security_->ice.last_check(), configured_at_);
    if (silent < kConsent) return;
    security_->consent_lost = true;
    events_.push({EventKind::consent_lost, id, 0, static_cast<double>(silent) / kSecond});
}

}  // namespace ramal
