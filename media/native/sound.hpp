// Sound files in memory, and their playing frame by frame.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace ramal {

using Sound = std::vector<int16_t>;

// A file that cannot be read; `code` is its errno, or 0 when its content is wrong.
class SoundError : public std::runtime_error {
public:
    SoundError(std::string path, int code, const std::string& why) : std::runtime_error(path + ": " + why), code(code) {}
    int code;
};

// Reads 8 kHz mono 16-bit WAV files and keeps the recently used: the same greeting is read once, not once a call.
class SoundCache {
public:
    // Throws SoundError. A file that was changed is read anew.
    std::shared_ptr<const Sound> load(const std::string& path);

private:
    struct Kept {
        int64_t changed;
        int64_t size;
        uint64_t used;
        std::shared_ptr<const Sound> sound;
    };
    void make_room();

    std::mutex mutex_;
    std::unordered_map<std::string, Kept> kept_;
    size_t samples_ = 0;
    uint64_t uses_ = 0;
};

// Sounds one after the other, once or for ever.
class Playlist {
public:
    Playlist(std::vector<std::shared_ptr<const Sound>> sounds, bool loop);

    // Fills `count` samples; the last frame is completed with silence. False when there was nothing left.
    bool fill(int16_t* samples, size_t count);

private:
    std::vector<std::shared_ptr<const Sound>> sounds_;
    bool loop_;
    size_t sound_ = 0;
    size_t position_ = 0;
};

}  // namespace ramal
