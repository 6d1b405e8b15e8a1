// The pairs of ports that endpoints take: RTP on the even one, RTCP above it.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "address.hpp"

namespace ramal {

// Every pair of the range is taken, or rests after a call.
class PortsExhaustedError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct PortPair {
    uint16_t port = 0;
    int rtp = -1;
    int rtcp = -1;
};

class PortAllocator {
public:
    // Both ends are included.
    PortAllocator(const SocketAddress& address, uint16_t lowest, uint16_t highest);

    // Binds a pair; a port that another program holds is passed over. Throws PortsExhaustedError or std::system_error.
    PortPair take();
    // Closes the sockets. The pair rests, so that late packets of the old call do not reach a new one.
    void give_back(const PortPair& pair, int64_t now);
    size_t in_use() const;
    int family() const { return address_.family(); }

private:
    enum class State : uint8_t { free, used, resting };
    struct Resting {
        size_t index;
        int64_t until;
    };
    void wake(int64_t now);
    bool bind_pair(uint16_t port, PortPair& pair) const;
    int bind_one(uint16_t port) const;

    mutable std::mutex mutex_;
    SocketAddress address_;
    uint16_t first_;
    std::vector<State> states_;
    std::deque<Resting> resting_;
    size_t next_ = 0;
    size_t used_ = 0;
};

}  // namespace ramal
