// The one place that talks to the kernel about packets. Other ways (io_uring, in-kernel) fit behind the same interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "address.hpp"

namespace ramal {

class Endpoint;

// One socket of a pair of ports. It stays open and watched from one owner to the next.
struct Socket {
    int descriptor = -1;
    bool control = false;
    // The engine's thread's own; null: what arrives is thrown away.
    Endpoint* owner = nullptr;
    // The transport's own.
    uint32_t slot = 0;
};

class PacketSink {
public:
    // `data` may be changed, has room for kSrtpGrowth bytes behind the largest packet, and stays valid until the next wait.
    virtual void packet(Socket& socket, uint8_t* data, size_t size, const SocketAddress& from) = 0;
    // Called in every wait before its packets, which arrived until `now`. Sockets may be added and removed here.
    virtual void batch(int64_t now) = 0;

protected:
    ~PacketSink() = default;
};

class Transport {
public:
    virtual ~Transport() = default;
    virtual const char* name() const = 0;
    // Called on the thread that does all the rest (but for wakes), before and after it; without a begin nothing else but
    // `add` and `remove` may be.
    virtual void begin() {}
    virtual void end() {}
    // The socket must not move while it is watched.
    virtual void add(Socket& socket) = 0;
    // Its descriptor stays open. The socket must live until the present wait is over.
    virtual void remove(Socket& socket) = 0;
    // Delivers what has arrived; returns at the latest after `timeout` nanoseconds, or when woken.
    virtual void wait(PacketSink& sink, int64_t timeout) = 0;
    // Ends a wait; from any thread.
    virtual void wake() = 0;
    // `to` and `data` must stay valid until the next wait or flush. What the kernel does not take is lost, as on any network.
    virtual void send(Socket& socket, const SocketAddress& to, const uint8_t* data, size_t size) = 0;
    virtual void flush() {}
};

std::unique_ptr<Transport> make_epoll_transport();
// Throws std::system_error where the kernel or the container does not offer it.
std::unique_ptr<Transport> make_uring_transport();

enum class Backend : uint8_t { best = 0, epoll = 1, uring = 2 };

std::unique_ptr<Transport> make_transport(Backend backend);

}  // namespace ramal
