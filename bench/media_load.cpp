// A native RTP load generator for bench/media.py: speaks G.711 to many endpoints and measures what comes back.
//
// Usage: media_load LEGS SECONDS [PROFILE [CHECK]]
// With a profile, by its number in DTLS-SRTP, every leg speaks encrypted, under the keys of `master_of`. With a check, a message of STUN in
// hexadecimal digits, every leg sends it first and then as often as browsers do. It prints its ports, reads one port of the engine for each leg
// from standard input, speaks for the time given, and prints a JSON object: packets sent and received, the time added on the way in
// microseconds, and whether the generator itself was the limit.
//
// It must cost less than what it measures, and nothing to what it measures: a few sockets serve all legs, so that packets go and come in
// batches, and it sleeps by the clock, not on its sockets, for else every packet that the engine sends would have to wake it at the engine's
// expense. When a packet came, the kernel has noted.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "../media/native/srtp.hpp"

namespace {

constexpr int kSockets = 4;
constexpr int kBatch = 64;
constexpr size_t kPacket = 172;
constexpr size_t kTimeAt = 12;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kFrame = kSecond / 50;
constexpr int64_t kSlots = 20;
constexpr int64_t kSlot = kFrame / kSlots;
// The legs' sources are latched and buffers are warm after this.
constexpr int64_t kWarmUp = kSecond / 2;

// Frames between two checks of a leg: browsers ask for consent each two and a half seconds.
constexpr size_t kBetweenChecks = 125;
// Of encrypted legs only one in so many is listened to: opening all would cost the generator as much as the engine.
constexpr size_t kOpened = 16;

using Packet = std::array<uint8_t, kPacket + ramal::kSrtpGrowth>;

// What legs have in common.
struct Manner {
    // Nothing: in the clear.
    std::optional<ramal::SrtpProfile> profile = {};
    // Empty: none.
    std::string check = {};

    size_t packet_size() const {
        if (!profile) return kPacket;
        return kPacket + (*profile == ramal::SrtpProfile::aead_aes_128_gcm ? 16 : 10);
    }
};

// The same as in bench/media.py: direction and number of the leg, so that no two streams share a key.
std::string master_of(ramal::SrtpProfile profile, uint8_t direction, size_t leg) {
    std::string master(ramal::master_size(profile).value(), static_cast<char>(direction));
    master[0] = static_cast<char>(leg >> 8);
    master[1] = static_cast<char>(leg);
    return master;
}

std::unique_ptr<ramal::SrtpContext> context_of(ramal::SrtpProfile profile, uint8_t direction, size_t leg, bool sending) {
    return std::make_unique<ramal::SrtpContext>(profile, master_of(profile, direction, leg), 0, sending);
}

std::string from_hexadecimal(const std::string& digits) {
    std::string bytes;
    for (size_t at = 0; at + 1 < digits.size(); at += 2) bytes += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
    return bytes;
}

int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

// Of the clock that the kernel's marks of arrival are in.
int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

void sleep_until(int64_t due) {
    const timespec until{due / kSecond, due % kSecond};
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr);
}

// Seconds of this process on a processor.
double cpu_seconds() {
    timespec used{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(nanoseconds(used)) / kSecond;
}

struct Leg {
    sockaddr_in to{};
    uint16_t sequence = 0;
    uint32_t timestamp = 0;
    uint32_t ssrc = 0;
    // Null: in the clear.
    std::unique_ptr<ramal::SrtpContext> out = {};
    std::unique_ptr<ramal::SrtpContext> in = {};
};

// Packets that go or come with one call of the system.
struct Batch {
    explicit Batch(size_t size) {
        for (size_t i = 0; i < kBatch; ++i) {
            vectors[i] = {packets[i].data(), size};
            messages[i].msg_hdr.msg_iov = &vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    }

    // The system writes over what it was told of addresses and marks.
    void expect() {
        for (size_t i = 0; i < kBatch; ++i) {
            msghdr& header = messages[i].msg_hdr;
            header.msg_name = &sources[i];
            header.msg_namelen = sizeof sources[i];
            header.msg_control = marks[i].data();
            header.msg_controllen = marks[i].size();
        }
    }

    int64_t arrival(size_t index) const {
        const cmsghdr* mark = CMSG_FIRSTHDR(&messages[index].msg_hdr);
        if (mark == nullptr || mark->cmsg_type != SCM_TIMESTAMPNS) return now_ns();
        timespec time{};
        std::memcpy(&time, CMSG_DATA(mark), sizeof time);
        return nanoseconds(time);
    }

    std::array<Packet, kBatch> packets{};
    std::array<sockaddr_in, kBatch> sources{};
    alignas(cmsghdr) std::array<std::array<uint8_t, CMSG_SPACE(sizeof(timespec))>, kBatch> marks{};
    std::array<iovec, kBatch> vectors{};
    std::array<mmsghdr, kBatch> messages{};
};

class Load {
public:
    Load(int legs, const Manner& manner)
        : manner_(manner), size_(manner.packet_size()), legs_(static_cast<size_t>(legs)), out_(size_), in_(sizeof(Packet)) {
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
            by_port_[legs_[i].to.sin_port] = &legs_[i];
            if (!manner_.profile) continue;
            legs_[i].out = context_of(*manner_.profile, 1, i, true);
            if (i % kOpened == 0) legs_[i].in = context_of(*manner_.profile, 2, i, false);
        }
    }

    void run(int64_t seconds) {
        delays_.reserve(legs_.size() * 50 * static_cast<size_t>(seconds + 1));
        const int64_t start = now_ns();
        counting_from_ = start + kWarmUp;
        const int64_t stop = counting_from_ + seconds * kSecond;
        const double used = cpu_seconds();
        for (int64_t slot = 0, due = start; due < stop; ++slot, due += kSlot) {
            sleep_until(due);
            behind_ += now_ns() - due > kFrame && due >= counting_from_;
            receive();
            if (!manner_.check.empty()) check(static_cast<size_t>(slot % kSlots), static_cast<size_t>(slot / kSlots));
            speak(static_cast<size_t>(slot % kSlots));
        }
        busy_ = (cpu_seconds() - used) * static_cast<double>(kSecond) / static_cast<double>(now_ns() - start);
        for (const int64_t end = now_ns() + kSecond / 5; now_ns() < end;) {
            sleep_until(now_ns() + kSlot);
            receive();
        }
    }

    void print_result() {
        std::sort(delays_.begin(), delays_.end());
        const auto at = [this](double share) { return delays_.empty() ? 0 : delays_[static_cast<size_t>(share * static_cast<double>(delays_.size() - 1))]; };
        const auto late = delays_.end() - std::upper_bound(delays_.begin(), delays_.end(), 50'000u);
        std::printf("{\"sent\": %lld, \"received\": %zu, \"p50_us\": %u, \"p99_us\": %u, \"late\": %lld, \"behind\": %lld, \"busy\": %.3f}\n",
                    static_cast<long long>(sent_), delays_.size(), at(0.5), at(0.99), static_cast<long long>(late),
                    static_cast<long long>(behind_), busy_);
    }

private:
    static int open_socket() {
        const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        sockaddr_in local{};
        local.sin_family = AF_INET;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int buffer = 4 << 20, marked = 1;
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &marked, sizeof marked);
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
                write(legs_[leg], count);
                if (++count == kBatch) count = flush(sockets_[socket], count);
            }
            if (count > 0) flush(sockets_[socket], count);
        }
    }

    // All at first, then each leg in a frame of its own.
    void check(size_t slot, size_t frame) {
        for (size_t socket = 0; socket < kSockets; ++socket) {
            for (size_t leg = socket + kSockets * slot; leg < legs_.size(); leg += kSockets * kSlots) {
                if (frame != 0 && (frame + leg) % kBetweenChecks != 0) continue;
                const sockaddr_in& to = legs_[leg].to;
                sendto(sockets_[socket], manner_.check.data(), manner_.check.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
            }
        }
    }

    void write(Leg& leg, size_t index) {
        Packet& packet = out_.packets[index];
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
        // What was encrypted lies here from the last time; in the clear it is loud.
        if (leg.out) {
            std::memset(&packet[kTimeAt + sizeof now], 0, kPacket - kTimeAt - sizeof now);
            leg.out->protect_rtp(packet.data(), kPacket);
        }
        out_.messages[index].msg_hdr.msg_name = &leg.to;
        out_.messages[index].msg_hdr.msg_namelen = sizeof leg.to;
        sent_ += now >= counting_from_ && (!leg.out || leg.in);
    }

    size_t flush(int descriptor, size_t count) {
        sendmmsg(descriptor, out_.messages.data(), static_cast<unsigned>(count), 0);
        return 0;
    }

    void receive() {
        for (const int socket : sockets_) {
            while (drain(socket) == kBatch) {
            }
        }
    }

    size_t drain(int descriptor) {
        in_.expect();
        const int count = recvmmsg(descriptor, in_.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
        if (count <= 0) return 0;
        for (size_t index = 0; index < static_cast<size_t>(count); ++index) {
            int64_t sent = 0;
            if (in_.messages[index].msg_len != size_ || !open(in_.packets[index], in_.sources[index])) continue;
            std::memcpy(&sent, &in_.packets[index][kTimeAt], sizeof sent);
            const int64_t arrived = in_.arrival(index);
            if (sent >= counting_from_ && sent <= arrived) delays_.push_back(static_cast<uint32_t>((arrived - sent) / 1000));
        }
        return static_cast<size_t>(count);
    }

    // False: it cannot be opened.
    bool open(Packet& packet, const sockaddr_in& source) {
        if (!manner_.profile) return true;
        const auto found = by_port_.find(source.sin_port);
        return found != by_port_.end() && found->second->in && found->second->in->unprotect_rtp(packet.data(), size_).has_value();
    }

    const Manner manner_;
    // Bytes of a packet.
    const size_t size_;
    std::vector<Leg> legs_;
    // Of the engine's ports, in network order.
    std::unordered_map<in_port_t, Leg*> by_port_;
    std::array<int, kSockets> sockets_{};
    Batch out_;
    Batch in_;
    int64_t counting_from_ = 0;
    int64_t sent_ = 0;
    // Milliseconds in which the generator itself was more than a frame late: then the machine is too busy to measure.
    int64_t behind_ = 0;
    // Its own share of a processor.
    double busy_ = 0;
    std::vector<uint32_t> delays_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) return 1;
    prctl(PR_SET_TIMERSLACK, 1);
    Manner manner;
    if (count > 3) manner.profile = static_cast<ramal::SrtpProfile>(std::atoi(arguments[3]));
    if (count > 4) manner.check = from_hexadecimal(arguments[4]);
    Load load(std::atoi(arguments[1]), manner);
    load.print_ports();
    load.read_targets();
    load.run(std::atoi(arguments[2]));
    load.print_result();
    return 0;
}
