// Packets by epoll: one receive and one send a packet, on any kernel and in any container.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "clock.hpp"
#include "rtp.hpp"
#include "srtp.hpp"
#include "transport.hpp"

namespace ramal {
namespace {

class EpollTransport final : public Transport {
public:
    EpollTransport() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        // By edge: each wake-up is told once and need not be read.
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        if (epoll_ < 0 || wake_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
            throw std::system_error(errno, std::generic_category(), "epoll");
        }
    }
    EpollTransport(const EpollTransport&) = delete;
    EpollTransport& operator=(const EpollTransport&) = delete;
    ~EpollTransport() override {
        close(epoll_);
        close(wake_);
    }

    const char* name() const override { return "epoll"; }

    void add(Socket& socket) override {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &socket;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.descriptor, &event);
    }

    void remove(Socket& socket) override {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, socket.descriptor, nullptr);
    }

    void wait(PacketSink& sink, int64_t timeout) override {
        const timespec limit{timeout / kSecond, timeout % kSecond};
        const int ready = epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &limit, nullptr);
        sink.batch(monotonic_ns());
        for (int i = 0; i < ready; ++i) {
            auto* socket = static_cast<Socket*>(events_[static_cast<size_t>(i)].data.ptr);
            if (socket != nullptr) receive(sink, *socket);
        }
    }

    void wake() override { eventfd_write(wake_, 1); }

    void send(Socket& socket, const SocketAddress& to, const uint8_t* data, size_t size) override {
        sendto(socket.descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, &to.any, to.length);
    }

private:
    // One packet a turn: a flooded port does not starve the others, and epoll tells of what is left.
    void receive(PacketSink& sink, Socket& socket) {
        SocketAddress from;
        from.length = sizeof from.v6;
        const ssize_t size = recvfrom(socket.descriptor, buffer_.data(), kLargestPacket, MSG_DONTWAIT, &from.any, &from.length);
        if (size > 0) sink.packet(socket, buffer_.data(), static_cast<size_t>(size), from);
    }

    const int epoll_;
    const int wake_;
    std::array<epoll_event, 512> events_{};
    // A packet may be sent on from where it lies, protected.
    std::array<uint8_t, kLargestPacket + kSrtpGrowth> buffer_{};
};

}  // namespace

std::unique_ptr<Transport> make_epoll_transport() { return std::make_unique<EpollTransport>(); }

}  // namespace ramal
