// A native RTP load generator for bench/media.py: speaks G.711 to many endpoints and measures what comes back.
//
// Usage: media_load LEGS SECONDS. It prints its ports, reads one port of the engine for each leg from standard input, speaks for
// the time given, and prints a JSON object: packets sent and received, and the time added on the way in microseconds.
// A few sockets serve all legs, so that packets go and come in batches and the generator costs little beside what it measures.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

constexpr int kSockets = 16;
constexpr int kBatch = 64;
constexpr size_t kPacket = 172;
constexpr size_t kTimeAt = 12;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kFrame = kSecond / 50;
constexpr int64_t kSlots = 20;
constexpr int64_t kSlot = kFrame / kSlots;
// The legs' sources are latched and buffers are warm after this.
constexpr int64_t kWarmUp = kSecond / 2;

using Packet = std::array<uint8_t, kPacket>;

int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * kSecond + now.tv_nsec;
}

struct Leg {
    sockaddr_in to{};
    uint16_t sequence = 0;
    uint32_t timestamp = 0;
    uint32_t ssrc = 0;
};

class Load {
public:
    explicit Load(int legs) : legs_(static_cast<size_t>(legs)) {
        for (int& socket : sockets_) socket = open_socket();
    }

    void print_ports() const {
        for (size_t leg = 0; leg < legs_.size(); ++leg) std::printf("%d ", port_of(sockets_[leg % kSockets]));
        std::printf("\n");
        std::fflush(stdout);
    }

    void read_targets() {
        for (size_t i = 0; i < legs_.size(); ++i) {
            int port = 0;
            if (std::scanf("%d", &port) != 1) std::exit(2);
            legs_[i].to.sin_family = AF_INET;
            legs_[i].to.sin_port = htons(static_cast<uint16_t>(port));
            legs_[i].to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            legs_[i].ssrc = 1000 + static_cast<uint32_t>(i);
        }
    }

    void run(int64_t seconds) {
        const int64_t start = now_ns();
        counting_from_ = start + kWarmUp;
        const int64_t stop = counting_from_ + seconds * kSecond;
        for (int64_t slot = 0, due = start; due < stop; ++slot, due += kSlot) {
            int64_t now = now_ns();
            behind_ += now - due > kFrame && due >= counting_from_;
            do {
                receive(due - now);
                now = now_ns();
            } while (now < due);
            speak(static_cast<size_t>(slot % kSlots));
        }
        for (const int64_t end = now_ns() + kSecond / 5; now_ns() < end;) receive(end - now_ns());
    }

    void print_result() {
        std::sort(delays_.begin(), delays_.end());
        const auto at = [this](double share) { return delays_.empty() ? 0 : delays_[static_cast<size_t>(share * static_cast<double>(delays_.size() - 1))]; };
        const auto late = delays_.end() - std::upper_bound(delays_.begin(), delays_.end(), 50'000u);
        std::printf("{\"sent\": %lld, \"received\": %zu, \"p50_us\": %u, \"p99_us\": %u, \"late\": %lld, \"behind\": %lld}\n",
                    static_cast<long long>(sent_), delays_.size(), at(0.5), at(0.99), static_cast<long long>(late),
                    static_cast<long long>(behind_));
    }

private:
    static int open_socket() {
        const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        sockaddr_in local{};
        local.sin_family = AF_INET;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int buffer = 4 << 20;
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        if (descriptor < 0 || bind(descriptor, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) std::exit(3);
        return descriptor;
    }

    static int port_of(int descriptor) {
        sockaddr_in local{};
        socklen_t length = sizeof local;
        getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &length);
        return ntohs(local.sin_port);
    }

    // Each slot has its share of the legs, so that packets come evenly, as from phones that know nothing of each other.
    void speak(size_t slot) {
        for (size_t socket = 0; socket < kSockets; ++socket) {
            size_t count = 0;
            for (size_t leg = socket + kSockets * slot; leg < legs_.size(); leg += kSockets * kSlots) {
                write(legs_[leg], packets_[count]);
                prepare(count, &legs_[leg].to);
                if (++count == kBatch) count = flush(sockets_[socket], count);
            }
            if (count > 0) flush(sockets_[socket], count);
        }
    }

    void write(Leg& leg, Packet& packet) {
        const int64_t now = now_ns();
        packet[0] = 0x80;
        packet[1] = 0;
        const uint16_t sequence = htons(leg.sequence++);
        const uint32_t timestamp = htonl(leg.timestamp), ssrc = htonl(leg.ssrc);
        leg.timestamp += 160;
        std::memcpy(&packet[2], &sequence, 2);
        std::memcpy(&packet[4], &timestamp, 4);
        std::memcpy(&packet[8], &ssrc, 4);
        std::memcpy(&packet[kTimeAt], &now, sizeof now);
        sent_ += now >= counting_from_;
    }

    void prepare(size_t index, sockaddr_in* address) {
        vectors_[index] = {packets_[index].data(), kPacket};
        messages_[index] = {};
        messages_[index].msg_hdr.msg_iov = &vectors_[index];
        messages_[index].msg_hdr.msg_iovlen = 1;
        messages_[index].msg_hdr.msg_name = address;
        messages_[index].msg_hdr.msg_namelen = address != nullptr ? sizeof *address : 0;
    }

    size_t flush(int descriptor, size_t count) {
        sendmmsg(descriptor, messages_.data(), static_cast<unsigned>(count), 0);
        return 0;
    }

    void receive(int64_t nanoseconds) {
        std::array<pollfd, kSockets> polled{};
        for (size_t i = 0; i < kSockets; ++i) polled[i] = {sockets_[i], POLLIN, 0};
        const timespec limit{0, std::clamp<int64_t>(nanoseconds, 0, kSlot)};
        if (ppoll(polled.data(), polled.size(), &limit, nullptr) <= 0) return;
        for (const pollfd& one : polled) {
            if ((one.revents & POLLIN) != 0) drain(one.fd);
        }
    }

    void drain(int descriptor) {
        for (size_t i = 0; i < kBatch; ++i) prepare(i, nullptr);
        const int count = recvmmsg(descriptor, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
        const int64_t now = now_ns();
        for (int i = 0; i < count; ++i) {
            int64_t sent = 0;
            if (messages_[static_cast<size_t>(i)].msg_len != kPacket) continue;
            std::memcpy(&sent, &packets_[static_cast<size_t>(i)][kTimeAt], sizeof sent);
            if (sent >= counting_from_ && sent <= now) delays_.push_back(static_cast<uint32_t>((now - sent) / 1000));
        }
    }

    std::vector<Leg> legs_;
    std::array<int, kSockets> sockets_{};
    std::array<Packet, kBatch> packets_{};
    std::array<iovec, kBatch> vectors_{};
    std::array<mmsghdr, kBatch> messages_{};
    int64_t counting_from_ = 0;
    int64_t sent_ = 0;
    // Milliseconds in which the generator itself was more than a frame late: then the machine is too busy to measure.
    int64_t behind_ = 0;
    std::vector<uint32_t> delays_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 1;
    Load load(std::atoi(arguments[1]));
    load.print_ports();
    load.read_targets();
    load.run(std::atoi(arguments[2]));
    load.print_result();
    return 0;
}
