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
// Expedited forwarding (RFC 3246), as the upper six bits of the byte.
constexpr int kVoiceClass = 46 << 2;
// Holds about a second of voice: what is older after a stall is better lost than heard.
constexpr int kReceiveBuffer = 24 * 1024;

}  // namespace

PortAllocator::PortAllocator(const SocketAddress& address, uint16_t lowest, uint16_t highest)
    : address_(address), first_(static_cast<uint16_t>(lowest + (lowest & 1))) {
    if (highest < first_ + 1) throw std::invalid_argument("the port range holds no pair of ports");
    states_.resize((static_cast<size_t>(highest) - first_ + 1) / 2, State::free);
    // A restarted server does not hand out the ports of its last calls first.
    next_ = std::random_device{}() % states_.size();
}

int PortAllocator::bind_one(uint16_t port) const {
    const int fd = socket(address_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const SocketAddress local = address_.with_port(port);
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

bool PortAllocator::bind_pair(uint16_t port, PortPair& pair) const {
    pair = {port, bind_one(port), -1};
    if (pair.rtp < 0 && errno == EADDRINUSE) return false;
    if (pair.rtp < 0) throw std::system_error(errno, std::generic_category(), "bind");
    try {
        pair.rtcp = bind_one(static_cast<uint16_t>(port + 1));
    } catch (...) {
        close(pair.rtp);
        throw;
    }
    if (pair.rtcp >= 0) return true;
    const int code = errno;
    close(pair.rtp);
    if (code == EADDRINUSE) return false;
    throw std::system_error(code, std::generic_category(), "bind");
}

void PortAllocator::wake(int64_t now) {
    while (!resting_.empty() && resting_.front().until <= now) {
        states_[resting_.front().index] = State::free;
        resting_.pop_front();
    }
}

PortPair PortAllocator::take() {
    const std::lock_guard lock(mutex_);
    wake(monotonic_ns());
    for (size_t tried = 0; tried < states_.size(); ++tried) {
        const size_t index = next_;
        next_ = (next_ + 1) % states_.size();
        PortPair pair;
        if (states_[index] != State::free || !bind_pair(static_cast<uint16_t>(first_ + 2 * index), pair)) continue;
        states_[index] = State::used;
        ++used_;
        return pair;
    }
    throw PortsExhaustedError("all " + std::to_string(states_.size()) + " pairs of ports are taken");
}

void PortAllocator::give_back(const PortPair& pair, int64_t now) {
    close(pair.rtp);
    close(pair.rtcp);
    const std::lock_guard lock(mutex_);
    const size_t index = static_cast<size_t>(pair.port - first_) / 2;
    states_[index] = State::resting;
    resting_.push_back({index, now + kRest});
    --used_;
}

size_t PortAllocator::in_use() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

}  // namespace ramal
