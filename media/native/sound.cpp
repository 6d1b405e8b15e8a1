#include "sound.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "clock.hpp"
#include "wav.hpp"

namespace ramal {
namespace {

constexpr int64_t kLongestFile = 32 << 20;
constexpr size_t kMostSamples = 32 << 20;

class OpenFile {
public:
    explicit OpenFile(const std::string& path) : fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (fd >= 0) close(fd);
    }
    const int fd;
};

std::vector<uint8_t> read_all(const std::string& path, int fd, size_t size) {
    std::vector<uint8_t> bytes(size);
    size_t have = 0;
    while (have < size) {
        const ssize_t got = read(fd, bytes.data() + have, size - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw SoundError(path, errno, std::strerror(errno));
        if (got == 0) break;
        have += static_cast<size_t>(got);
    }
    bytes.resize(have);
    return bytes;
}

std::shared_ptr<const Sound> decode(const std::string& path, const std::vector<uint8_t>& bytes) {
    try {
        const auto samples = wav_samples(bytes);
        auto sound = std::make_shared<Sound>(samples.size() / 2);
        for (size_t i = 0; i < sound->size(); ++i) (*sound)[i] = static_cast<int16_t>(samples[2 * i] | samples[2 * i + 1] << 8);
        return sound;
    } catch (const std::invalid_argument& wrong) {
        throw SoundError(path, 0, wrong.what());
    }
}

}  // namespace

std::shared_ptr<const Sound> SoundCache::load(const std::string& path) {
    const OpenFile file(path);
    struct stat status {};
    if (file.fd < 0 || fstat(file.fd, &status) != 0) throw SoundError(path, errno, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) throw SoundError(path, 0, "it is no file");
    if (status.st_size > kLongestFile) throw SoundError(path, 0, "it is larger than 32 MB");
    const int64_t changed = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec;
    {
        const std::lock_guard lock(mutex_);
        const auto found = kept_.find(path);
        if (found != kept_.end() && found->second.changed == changed && found->second.size == status.st_size) {
            found->second.used = ++uses_;
            return found->second.sound;
        }
    }
    auto sound = decode(path, read_all(path, file.fd, static_cast<size_t>(status.st_size)));
    const std::lock_guard lock(mutex_);
    Kept& kept = kept_[path];
    if (kept.sound) samples_ -= kept.sound->size();
    kept = {changed, status.st_size, ++uses_, sound};
    samples_ += sound->size();
    make_room();
    return sound;
}

void SoundCache::make_room() {
    while (samples_ > kMostSamples && kept_.size() > 1) {
        const auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
        samples_ -= oldest->second.sound->size();
        kept_.erase(oldest);
    }
}

Playlist::Playlist(std::vector<std::shared_ptr<const Sound>> sounds, bool loop) : sounds_(std::move(sounds)), loop_(loop) {
    std::erase_if(sounds_, [](const auto& sound) { return sound->empty(); });
}

bool Playlist::fill(int16_t* samples, size_t count) {
    size_t filled = 0;
    while (filled < count && sound_ < sounds_.size()) {
        const Sound& sound = *sounds_[sound_];
        const size_t take = std::min(count - filled, sound.size() - position_);
        std::copy_n(sound.begin() + static_cast<std::ptrdiff_t>(position_), take, samples + filled);
        filled += take;
        position_ += take;
        if (position_ == sound.size()) {
            position_ = 0;
            if (++sound_ == sounds_.size() && loop_) sound_ = 0;
        }
    }
    std::fill(samples + filled, samples + count, int16_t{0});
    return filled > 0;
}

}  // namespace ramal
