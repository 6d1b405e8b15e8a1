#include "ports.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>

#include "clock.hpp"

namespace ramal {
namespace {

constexpr int64_t kRest = 2 * kSecond;
// A pair that nobody has taken for so long is closed, some at a time; a few stay open for the next call.
constexpr int64_t kUnwanted = 30 * kSecond;
constexpr size_t kAlwaysOpen = 32;
constexpr size_t kMostAtOnce = 64;
// Expedited forwarding (RFC 3246), as the upper six bits of the byte.
constexpr int kVoiceClass = 46 << 2;
// Holds about a second of voice: what is older after a stall is better lost than heard.
constexpr int kReceiveBuffer = 24 * 1024;

}  // namespace

PortAllocator::PortAllocator(const SocketAddress& address, uint16_t lowest, uint16_t highest)
    : address_(address), first_(static_cast<uint16_t>(lowest + (lowest & 1))) {
    if (highest < first_ + 1) throw std::invalid_argument("the port range holds no pair of ports");
    pairs_.resize((static_cast<size_t>(highest) - first_ + 1) / 2);
    // A restarted server does not hand out the ports of its last calls first.
    next_ = std::random_device{}() % pairs_.size();
}

PortAllocator::~PortAllocator() {
    for (const auto& pair : pairs_) {
        if (pair) discard(*pair);
    }
}

int PortAllocator::bind_one(uint16_t port) const {
    const int fd = socket(address_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const SocketAddress local = address_.with_port(port);
    // IPv4 has sockets of its own: one for both would take the port from them, and write addresses in a third way.
    const int alone = 1;
    if (address_.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone);
    if (bind(fd, &local.any, local.length) != 0) {
        const int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    const bool v4 = address_.family() == AF_INET;
    setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &kVoiceClass, sizeof kVoiceClass);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    return fd;
}

bool PortAllocator::bind_pair(uint16_t port, PortPair& pair) {
    const int rtp = bind_one(port);
    if (rtp < 0 && errno == EADDRINUSE) return false;
    if (rtp < 0) throw std::system_error(errno, std::generic_category(), "bind");
    int rtcp = -1;
    try {
        rtcp = bind_one(static_cast<uint16_t>(port + 1));
    } catch (...) {
        close(rtp);
        throw;
    }
    if (rtcp >= 0) {
        pair.port = port;
        pair.owner = this;
        pair.rtp = {rtp, false};
        pair.rtcp = {rtcp, true};
        return true;
    }
    const int code = errno;
    close(rtp);
    if (code == EADDRINUSE) return false;
    throw std::system_error(code, std::generic_category(), "bind");
}

PortPair* PortAllocator::take() {
    const std::lock_guard lock(mutex_);
    if (!resting_.empty() && resting_.front().since + kRest <= monotonic_ns()) {
        const size_t index = resting_.front().index;
        resting_.pop_front();
        ++used_;
        return pairs_[index].get();
    }
    auto pair = std::make_unique<PortPair>();
    for (size_t tried = 0; tried < pairs_.size(); ++tried) {
        const size_t index = next_;
        next_ = (next_ + 1) % pairs_.size();
        if (pairs_[index] || !bind_pair(static_cast<uint16_t>(first_ + 2 * index), *pair)) continue;
        pairs_[index] = std::move(pair);
        ++used_;
        return pairs_[index].get();
    }
    throw PortsExhaustedError("all " + std::to_string(pairs_.size()) + " pairs of ports are taken");
}

void PortAllocator::give_back(PortPair* pair, int64_t now) {
    const std::lock_guard lock(mutex_);
    resting_.push_back({static_cast<size_t>(pair->port - first_) / 2, now});
    --used_;
}

std::unique_ptr<PortPair> PortAllocator::part_with_oldest() {
    auto pair = std::move(pairs_[resting_.front().index]);
    resting_.pop_front();
    return pair;
}

std::vector<std::unique_ptr<PortPair>> PortAllocator::unwanted(int64_t now) {
    std::vector<std::unique_ptr<PortPair>> result;
    const std::lock_guard lock(mutex_);
    while (resting_.size() > kAlwaysOpen && resting_.front().since + kUnwanted <= now && result.size() < kMostAtOnce) {
        result.push_back(part_with_oldest());
    }
    return result;
}

std::vector<std::unique_ptr<PortPair>> PortAllocator::idle() {
    std::vector<std::unique_ptr<PortPair>> result;
    const std::lock_guard lock(mutex_);
    while (!resting_.empty()) result.push_back(part_with_oldest());
    return result;
}

void PortAllocator::discard(const PortPair& pair) {
    close(pair.rtp.descriptor);
    close(pair.rtcp.descriptor);
}

size_t PortAllocator::in_use() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

}  // namespace ramal
