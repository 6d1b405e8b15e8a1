// The pairs of ports that endpoints take: RTP on the even one, RTCP above it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "address.hpp"
#include "transport.hpp"

namespace ramal {

// Every pair of the range is taken, or rests after a call.
class PortsExhaustedError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Two open sockets. Opening them costs more than all else of a short call, so they serve one endpoint after the other.
class PortAllocator;

struct PortPair {
    uint16_t port = 0;
    // Whose it is.
    PortAllocator* owner = nullptr;
    Socket rtp;
    Socket rtcp;
    // The engine's thread's own: whether the transport knows them.
    bool watched = false;
};

class PortAllocator {
public:
    // Both ends are included.
    PortAllocator(const SocketAddress& address, uint16_t lowest, uint16_t highest);
    ~PortAllocator();
    PortAllocator(const PortAllocator&) = delete;
    PortAllocator& operator=(const PortAllocator&) = delete;

    // The pair that has rested longest, or else a new one; a port that another program holds is passed over.
    // Throws PortsExhaustedError or std::system_error.
    PortPair* take();
    // The pair rests first, so that late packets of the old call do not reach a new one.
    void give_back(PortPair* pair, int64_t now);
    // Parts with pairs that nobody has wanted for long, a few at a time; `close` their sockets with `discard`.
    std::vector<std::unique_ptr<PortPair>> unwanted(int64_t now);
    // Parts with all pairs that are not in use.
    std::vector<std::unique_ptr<PortPair>> idle();
    static void discard(const PortPair& pair);
    size_t in_use() const;
    int family() const { return address_.family(); }

private:
    struct Resting {
        size_t index;
        int64_t since;
    };
    bool bind_pair(uint16_t port, PortPair& pair);
    int bind_one(uint16_t port) const;
    std::unique_ptr<PortPair> part_with_oldest();

    mutable std::mutex mutex_;
    SocketAddress address_;
    uint16_t first_;
    // By place in the range; null: not open.
    std::vector<std::unique_ptr<PortPair>> pairs_;
    std::deque<Resting> resting_;
    size_t next_ = 0;
    size_t used_ = 0;
};

}  // namespace ramal
