// One range of addresses in huge pages that stay with the process once they were written. The C library would give the
// pages of large blocks back to the system, and take them anew at every step, each of them zeroed.
#include "arena.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

namespace ppcls {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

class Arena {
 public:
  Arena() {
    // Addresses, not memory: so many that holes between blocks never fill them, or as many as the process may have.
    size_t bytes = round_up(4 * kPage * static_cast<size_t>(sysconf(_SC_PHYS_PAGES)), kHugePage);
    const auto reserve = [&] {
      return mmap(nullptr, bytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    };
    void* range = reserve();
    while (range == MAP_FAILED && bytes > kHugePage) {
      bytes = round_up(bytes / 2, kHugePage);
      range = reserve();
    }
    if (range == MAP_FAILED) return;
    usable_ = reinterpret_cast<char*>(round_up(reinterpret_cast<size_t>(range), kHugePage));
    madvise(usable_, bytes, MADV_HUGEPAGE);
    holes_[usable_] = bytes;
  }

  // From the smallest hole that is large enough, the first of several: so large holes stay, and few pages are written.
  void* allocate(size_t bytes) {
    bytes = round_up(std::max<size_t>(bytes, 1), kPage);
    const std::lock_guard<std::mutex> lock(mutex_);
    auto hole = holes_.end();
    for (auto other = holes_.begin(); other != holes_.end(); ++other)
      if (other->second >= bytes && (hole == holes_.end() || other->second < hole->second)) hole = other;
    if (hole == holes_.end() || !use(hole->first + bytes)) return nullptr;
    const auto [data, size] = *hole;
    holes_.erase(hole);
    if (size > bytes) holes_[data + bytes] = size - bytes;
    blocks_[data] = bytes;
    return data;
  }

  void release(void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto block = blocks_.find(static_cast<char*>(data));
    const auto hole = holes_.insert(*block).first;
    blocks_.erase(block);
    merge(hole, std::next(hole));
    if (hole != holes_.begin()) merge(std::prev(hole), hole);
  }

  // A forked child shares all pages, and each that is written after it is copied: what nobody needs goes before.
  void before_fork() {
    mutex_.lock();
    for (const auto& [data, size] : holes_)
      if (data < usable_) madvise(data, std::min<size_t>(size, usable_ - data), MADV_DONTNEED);
  }
  void after_fork() { mutex_.unlock(); }

 private:
  using Pieces = std::map<char*, size_t>;  // the bytes of each

  // Lets the range be written up to `end`: the system counts as taken what may be written.
  bool use(char* end) {
    if (end <= usable_) return true;
    const size_t bytes = round_up(end - usable_, kHugePage);
    if (mprotect(usable_, bytes, PROT_READ | PROT_WRITE) != 0) return false;
    usable_ += bytes;
    return true;
  }

  void merge(Pieces::iterator hole, Pieces::iterator next) {
    if (next == holes_.end() || hole->first + hole->second != next->first) return;
    hole->second += next->second;
    holes_.erase(next);
  }

  std::mutex mutex_;
  Pieces holes_, blocks_;
  char* usable_ = nullptr;
};

// Never destroyed, since tensors may outlive everything else.
Arena& arena() {
  static Arena& only = *new Arena;
  static const int registered =
      pthread_atfork([] { only.before_fork(); }, [] { only.after_fork(); }, [] { only.after_fork(); });
  (void)registered;
  return only;
}

}  // namespace

void* allocate(size_t bytes) { return arena().allocate(bytes); }
void release(void* data) { arena().release(data); }

}  // namespace ppcls
