// Counts what the media engine's thread asks of the heap, for tests/media/test_allocations.py: put before the C library's own functions by
// LD_PRELOAD, it hands everything on to them.
#include <sys/prctl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};

void note() {
    if (!counting.load(std::memory_order_relaxed)) return;
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (std::strcmp(name, "ramal-media") == 0) allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void* realloc(void* memory, size_t size) {
    note();
    return __libc_realloc(memory, size);
}

void begin_counting() {
    allocations = 0;
    counting = true;
}

uint64_t end_counting() {
    counting = false;
    return allocations;
}
}
