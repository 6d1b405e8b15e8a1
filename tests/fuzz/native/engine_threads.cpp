// The engine's threads against each other, for ThreadSanitizer: two threads that direct calls at will, one that reads figures and events, the
// engine's own, the writer's, and packets from outside. Built and run by bench/safety.py.
//
// Usage: engine_threads SECONDS
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "clock.hpp"
#include "loop.hpp"

namespace {

using namespace ramal;

constexpr uint16_t kLowest = 26000, kHighest = 27999;
std::atomic<bool> over{false};

SocketAddress local(uint16_t port) { return *SocketAddress::parse("127.0.0.1", port); }

// Taps that are read while their endpoints are spoken to, some of them too slowly, and end.
class Reader {
public:
    void take(std::shared_ptr<Tap> tap) {
        taps_.push_back(std::move(tap));
        if (taps_.size() > 8) taps_.pop_front();
    }
    void read() {
        int16_t samples[1600] = {};
        for (const auto& tap : taps_) sum_ += tap->read(samples, 1600) + tap->lost() + static_cast<size_t>(tap->ended()) + static_cast<size_t>(samples[0]);
    }

private:
    std::deque<std::shared_ptr<Tap>> taps_;
    size_t sum_ = 0;
};

// Calls begin, are bridged, mixed, tapped and recorded, and end.
void direct(Loop& loop, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::shared_ptr<Endpoint>> legs;
    std::vector<std::shared_ptr<Recording>> recordings;
    auto mixer = loop.create_mixer();
    Reader reader;
    int files = 0;
    while (!over) {
        const auto some = [&] { return legs[random() % legs.size()]; };
        if (legs.size() < 4) {
            legs.push_back(loop.create_endpoint(0));
            EndpointSettings settings;
            settings.remote = local(static_cast<uint16_t>(kLowest + 2 * (random() % 100)));
            settings.telephone_event = 101;
            loop.configure(legs.back(), settings);
        }
        reader.read();
        switch (random() % 12) {
            case 0: loop.bridge(some(), some()); break;
            case 1: loop.unbridge(some()); break;
            case 2: loop.join(mixer, some()); break;
            case 3: loop.leave(mixer, some()); break;
            case 4: loop.send_digit(some(), 5, 800); break;
            case 5: loop.listen(some(), {true, random() % 2 == 0}); break;
            case 6: {
                const std::string path = "/tmp/ramal-threads-" + std::to_string(getpid()) + "-" + std::to_string(seed) + "-" + std::to_string(files++);
                recordings.push_back(loop.create_recording(path, 2, 8000));
                unlink(path.c_str());
                loop.attach(recordings.back(), some(), 0);
                break;
            }
            case 7:
                if (!recordings.empty()) {
                    loop.close(recordings.back());
                    recordings.pop_back();
                }
                break;
            case 8: {
                const auto tap = std::make_shared<Tap>(random() % 2 == 0 ? 8000 : 16000, 0.2);
                loop.tap(some(), tap);
                reader.take(tap);
                break;
            }
            case 9:
                if (!recordings.empty()) loop.attach_heard(recordings.back(), some(), 1);
                break;
            case 10:
                // Ports rest for two seconds after a call: as many as there are must last so long.
                if (random() % 4 != 0) break;
                loop.close(legs.front());
                legs.erase(legs.begin());
                break;
            default:
                loop.close(mixer);
                mixer = loop.create_mixer();
        }
        loop.wake();
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    for (const auto& leg : legs) loop.close(leg);
    for (const auto& recording : recordings) loop.close(recording);
}

void look_on(Loop& loop) {
    size_t seen = 0;
    while (!over) {
        seen += loop.events().take().size() + loop.endpoints() + loop.packets() + loop.ports_in_use();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::printf("seen: %zu\n", seen);
}

void speak() {
    const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    std::mt19937 random(7);
    std::vector<uint8_t> packet(172, 0x55);
    packet[0] = 0x80;
    packet[1] = 0;
    while (!over) {
        packet[3] = static_cast<uint8_t>(packet[3] + 1);
        const SocketAddress to = local(static_cast<uint16_t>(kLowest + random() % (kHighest - kLowest)));
        sendto(descriptor, packet.data(), packet.size(), 0, &to.any, to.length);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    close(descriptor);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 1;
    // ThreadSanitizer knows nothing of what the kernel does behind an io_uring.
    Loop loop({local(0)}, kLowest, kHighest, kSecond, Backend::epoll, size_t{1} << 20);
    loop.start();
    std::vector<std::thread> threads;
    threads.emplace_back(direct, std::ref(loop), 1u);
    threads.emplace_back(direct, std::ref(loop), 2u);
    threads.emplace_back(look_on, std::ref(loop));
    threads.emplace_back(speak);
    std::this_thread::sleep_for(std::chrono::seconds(std::atoi(arguments[1])));
    over = true;
    for (auto& thread : threads) thread.join();
    loop.stop();
    return 0;
}
