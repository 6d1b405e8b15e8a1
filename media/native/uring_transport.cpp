// Packets by io_uring: receives stay armed, sends are handed over together, and a busy engine wakes for many packets at once.
#include "transport.hpp"
#include "uring.hpp"

#ifdef RAMAL_HAVE_URING

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "clock.hpp"

namespace ramal {
namespace {

constexpr unsigned kSubmissions = 4096;
constexpr unsigned kCompletions = 16384;
constexpr unsigned kBuffers = 2048;
constexpr size_t kBufferSize = 2048;
constexpr uint16_t kGroup = 0;
// A busy engine waits for so many packets, or so long; a calm one for a single packet.
constexpr unsigned kManyPackets = 256;
constexpr int64_t kManyTime = 2 * kMillisecond;
constexpr int64_t kWindow = 20 * kMillisecond;
constexpr unsigned kBusyInWindow = 40;

// Sockets that the kernel keeps at hand; those beyond are looked up for each packet.
constexpr rlim_t kMostPlaces = 32768;

// EPOLLET, as poll takes it.
constexpr uint32_t kByEdge = 1u << 31;

// What a completion is about: these, or a watched socket's mark.
constexpr uint64_t kNothing = 0;
constexpr uint64_t kWoken = 1;

class UringTransport final : public Transport {
public:
    UringTransport()
        : uring_(kSubmissions, kCompletions),
          buffers_(uring_, kGroup, kBuffers, kBufferSize),
          wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
        used_.reserve(kBuffers);
        message_.msg_namelen = sizeof(sockaddr_in6);
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        const auto places = static_cast<unsigned>(std::min(files.rlim_cur, kMostPlaces));
        if (uring_.make_places(places)) places_ = places;
    }
    UringTransport(const UringTransport&) = delete;
    UringTransport& operator=(const UringTransport&) = delete;
    ~UringTransport() override { close(wake_); }

    const char* name() const override { return "io_uring"; }

    void begin() override {
        uring_.start();
        running_ = true;
        watch_wake();
    }

    // Sockets are free only when the kernel has let go of them.
    void end() override {
        running_ = false;
        for (const int64_t until = monotonic_ns() + kSecond; armed_ > 0 && monotonic_ns() < until;) {
            uring_.submit_and_wait(1, 10 * kMillisecond);
            uring_.complete([this](const io_uring_cqe& completion) { ended(completion); });
        }
    }

    void add(Socket& socket) override {
        if (free_.empty()) {
            free_.push_back(static_cast<uint32_t>(watched_.size()));
            watched_.push_back({});
        }
        socket.slot = free_.back();
        free_.pop_back();
        Watched& watched = watched_[socket.slot];
        watched.socket = &socket;
        watched.placed = socket.slot < places_ && uring_.put_at(socket.slot, socket.descriptor);
        ++watched.generation;
        arm(socket);
    }

    void remove(Socket& socket) override {
        Watched& watched = watched_[socket.slot];
        if (running_) {
            io_uring_sqe& entry = uring_.next();
            entry.opcode = IORING_OP_ASYNC_CANCEL;
            entry.fd = -1;
            entry.addr = mark(socket.slot);
            entry.flags = IOSQE_CQE_SKIP_SUCCESS;
            entry.user_data = kNothing;
            uring_.submit();
        }
        if (watched.placed) uring_.put_at(socket.slot, -1);
        watched.socket = nullptr;
        free_.push_back(socket.slot);
    }

    void wait(PacketSink& sink, int64_t timeout) override {
        const bool many = busy_ && timeout > 0;
        // Counted from when the last ones were taken, so that what takes long to send on does not wait longer.
        const int64_t pace = many ? std::max<int64_t>(0, taken_ + kManyTime - monotonic_ns()) : timeout;
        uring_.submit_and_wait(many ? kManyPackets : 1, std::min(timeout, pace));
        // What was sent from these is on its way now.
        for (const uint16_t number : used_) buffers_.give_back(number);
        buffers_.publish();
        used_.clear();
        taken_ = monotonic_ns();
        sink.batch(taken_);
        uring_.complete([&](const io_uring_cqe& completion) { completed(sink, completion); });
        measure(taken_);
    }

    void wake() override { eventfd_write(wake_, 1); }

    void send(Socket& socket, const SocketAddress& to, const uint8_t* data, size_t size) override {
        io_uring_sqe& entry = uring_.next();
        entry.opcode = IORING_OP_SEND;
        entry.flags = IOSQE_CQE_SKIP_SUCCESS;
        name_file(entry, socket);
        entry.addr = reinterpret_cast<uintptr_t>(data);
        entry.len = static_cast<uint32_t>(size);
        entry.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        entry.addr2 = reinterpret_cast<uintptr_t>(&to.any);
        entry.addr_len = static_cast<uint16_t>(to.length);
        entry.user_data = kNothing;
    }

    void flush() override { uring_.submit(); }

private:
    struct Watched {
        Socket* socket = nullptr;
        // Tells completions of a socket from those of its slot's next one; begins above kWoken.
        uint32_t generation = 1;
        // The kernel has its file at the place of the slot's number.
        bool placed = false;
    };

    uint64_t mark(uint32_t slot) const { return static_cast<uint64_t>(watched_[slot].generation) << 32 | slot; }

    void name_file(io_uring_sqe& entry, const Socket& socket) const {
        const bool placed = watched_[socket.slot].placed;
        entry.fd = placed ? static_cast<int>(socket.slot) : socket.descriptor;
        if (placed) entry.flags |= IOSQE_FIXED_FILE;
    }

    void arm(const Socket& socket) {
        io_uring_sqe& entry = uring_.next();
        entry.opcode = IORING_OP_RECVMSG;
        entry.flags = IOSQE_BUFFER_SELECT;
        name_file(entry, socket);
        entry.addr = reinterpret_cast<uintptr_t>(&message_);
        entry.ioprio = IORING_RECV_MULTISHOT;
        entry.buf_group = kGroup;
        entry.user_data = mark(socket.slot);
        ++armed_;
    }

    void watch_wake() {
        io_uring_sqe& entry = uring_.next();
        entry.opcode = IORING_OP_POLL_ADD;
        entry.fd = wake_;
        entry.len = IORING_POLL_ADD_MULTI;
        entry.poll32_events = POLLIN | kByEdge;
        entry.user_data = kWoken;
    }

    void completed(PacketSink& sink, const io_uring_cqe& completion) {
        if (completion.user_data == kNothing) return;
        if (completion.user_data == kWoken) {
            if ((completion.flags & IORING_CQE_F_MORE) == 0) watch_wake();
            return;
        }
        const auto slot = static_cast<uint32_t>(completion.user_data);
        Socket* socket = mark(slot) == completion.user_data ? watched_[slot].socket : nullptr;
        if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
            const auto number = static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
            used_.push_back(number);
            if (socket != nullptr && completion.res > 0) deliver(sink, *socket, buffers_.buffer(number), completion.res);
        }
        if ((completion.flags & IORING_CQE_F_MORE) != 0) return;
        // It ran out of buffers, or was cancelled.
        --armed_;
        if (socket != nullptr) arm(*socket);
    }

    void deliver(PacketSink& sink, Socket& socket, uint8_t* buffer, int size) {
        const auto* out = reinterpret_cast<const io_uring_recvmsg_out*>(buffer);
        const size_t start = sizeof *out + message_.msg_namelen;
        if (static_cast<size_t>(size) < start || out->payloadlen == 0 || (out->flags & MSG_TRUNC) != 0) return;
        SocketAddress from;
        from.length = std::min<socklen_t>(out->namelen, sizeof from.v6);
        std::memcpy(&from.v6, buffer + sizeof *out, from.length);
        ++in_window_;
        sink.packet(socket, buffer + start, std::min<size_t>(out->payloadlen, static_cast<size_t>(size) - start), from);
    }

    void ended(const io_uring_cqe& completion) {
        if (completion.user_data > kWoken && (completion.flags & IORING_CQE_F_MORE) == 0) --armed_;
    }

    // Alone, a packet goes out at once; among many it may wait for others.
    void measure(int64_t now) {
        if (now - window_ < kWindow) return;
        busy_ = in_window_ * kWindow > kBusyInWindow * (now - window_);
        in_window_ = 0;
        window_ = now;
    }

    Uring uring_;
    BufferRing buffers_;
    const int wake_;
    unsigned places_ = 0;
    msghdr message_{};
    bool running_ = false;
    std::vector<Watched> watched_;
    std::vector<uint32_t> free_;
    std::vector<uint16_t> used_;
    int64_t armed_ = 0;
    int64_t taken_ = 0;
    bool busy_ = false;
    int64_t window_ = 0;
    int64_t in_window_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_uring_transport() { return std::make_unique<UringTransport>(); }

}  // namespace ramal

#else

#include <cerrno>
#include <system_error>

namespace ramal {

std::unique_ptr<Transport> make_uring_transport() { throw std::system_error(ENOSYS, std::generic_category(), "io_uring"); }

}  // namespace ramal

#endif
