#include "uring.hpp"

#ifdef RAMAL_HAVE_URING

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "clock.hpp"

namespace ramal {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

unsigned* at(const Mapping& mapping, unsigned offset) { return reinterpret_cast<unsigned*>(mapping.data() + offset); }

}  // namespace

Mapping::Mapping(size_t size, int descriptor, int64_t offset) : size_(size) {
    const int flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, descriptor, offset);
    if (mapped == MAP_FAILED) fail("mmap");
    data_ = static_cast<uint8_t*>(mapped);
}

Mapping::~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Uring::Uring(unsigned submissions, unsigned completions) {
    io_uring_params parameters{};
    parameters.cq_entries = completions;
    parameters.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
                       IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    descriptor_ = static_cast<int>(syscall(__NR_io_uring_setup, submissions, &parameters));
    if (descriptor_ < 0) fail("io_uring_setup");
    const size_t ring = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    const size_t other = parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe);
    try {
        rings_ = Mapping(ring > other ? ring : other, descriptor_, IORING_OFF_SQ_RING);
        entries_ = Mapping(parameters.sq_entries * sizeof(io_uring_sqe), descriptor_, IORING_OFF_SQES);
    } catch (...) {
        close(descriptor_);
        throw;
    }
    submission_head_ = at(rings_, parameters.sq_off.head);
    submission_tail_ = at(rings_, parameters.sq_off.tail);
    submission_count_ = parameters.sq_entries;
    completion_head_ = at(rings_, parameters.cq_off.head);
    completion_tail_ = at(rings_, parameters.cq_off.tail);
    completion_mask_ = parameters.cq_entries - 1;
    completions_ = reinterpret_cast<io_uring_cqe*>(rings_.data() + parameters.cq_off.cqes);
    // Entries are used in their order, for ever.
    unsigned* order = at(rings_, parameters.sq_off.array);
    for (unsigned i = 0; i < submission_count_; ++i) order[i] = i;
}

Uring::~Uring() { close(descriptor_); }

void Uring::call_register(unsigned operation, void* argument, unsigned count) {
    if (syscall(__NR_io_uring_register, descriptor_, operation, argument, count) < 0) fail("io_uring_register");
}

bool Uring::make_places(unsigned count) {
    io_uring_rsrc_register places{};
    places.nr = count;
    places.flags = IORING_RSRC_REGISTER_SPARSE;
    return syscall(__NR_io_uring_register, descriptor_, IORING_REGISTER_FILES2, &places, sizeof places) >= 0;
}

bool Uring::put_at(unsigned place, int descriptor) {
    io_uring_files_update update{};
    update.offset = place;
    update.fds = reinterpret_cast<uintptr_t>(&descriptor);
    return syscall(__NR_io_uring_register, descriptor_, IORING_REGISTER_FILES_UPDATE, &update, 1) == 1;
}

void Uring::start() { call_register(IORING_REGISTER_ENABLE_RINGS, nullptr, 0); }

io_uring_sqe& Uring::next() {
    if (entered_ - __atomic_load_n(submission_head_, __ATOMIC_ACQUIRE) == submission_count_) submit();
    auto& entry = reinterpret_cast<io_uring_sqe*>(entries_.data())[entered_++ & (submission_count_ - 1)];
    std::memset(&entry, 0, sizeof entry);
    return entry;
}

int Uring::enter(unsigned completions, unsigned flags, void* argument, size_t size) {
    __atomic_store_n(submission_tail_, entered_, __ATOMIC_RELEASE);
    const long taken = syscall(__NR_io_uring_enter, descriptor_, entered_ - submitted_, completions, flags, argument, size);
    submitted_ = __atomic_load_n(submission_head_, __ATOMIC_ACQUIRE);
    return static_cast<int>(taken);
}

void Uring::submit() {
    // The kernel stops at an entry it cannot begin, and goes on when asked again.
    while (entered_ != submitted_) {
        if (enter(0, 0, nullptr, 0) < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) return;
    }
}

void Uring::submit_and_wait(unsigned completions, int64_t timeout) {
    __kernel_timespec limit{timeout / kSecond, timeout % kSecond};
    io_uring_getevents_arg argument{};
    argument.ts = reinterpret_cast<uintptr_t>(&limit);
    enter(completions, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

BufferRing::BufferRing(Uring& uring, uint16_t group, unsigned count, size_t size)
    : count_(count), size_(size), ring_(count * sizeof(io_uring_buf), -1, 0), memory_(count * size, -1, 0) {
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uintptr_t>(ring_.data());
    registration.ring_entries = count;
    registration.bgid = group;
    uring.call_register(IORING_REGISTER_PBUF_RING, &registration, 1);
    for (unsigned i = 0; i < count; ++i) give_back(static_cast<uint16_t>(i));
    publish();
}

void BufferRing::give_back(uint16_t number) {
    auto& entry = reinterpret_cast<io_uring_buf*>(ring_.data())[tail_++ & (count_ - 1)];
    entry.addr = reinterpret_cast<uintptr_t>(buffer(number));
    entry.len = static_cast<uint32_t>(size_);
    entry.bid = number;
}

void BufferRing::publish() {
    auto* ring = reinterpret_cast<io_uring_buf_ring*>(ring_.data());
    __atomic_store_n(&ring->tail, tail_, __ATOMIC_RELEASE);
}

}  // namespace ramal

#endif
