#include "primitives.h"

#include <omp.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

namespace ppcls {
namespace {

std::atomic<int> num_threads{1};

// OpenMP's threads do not live on in a forked child, which would wait for them for ever: it computes alone.
// OpenMP itself must not be called here: its own handler of the fork may come later.
void compute_alone() { num_threads = 1; }

// The number of threads is a setting of each calling thread in OpenMP; this makes it one of the library. Others change
// it meanwhile: Paddle Inference leaves 1 wherever it has loaded a model.
const dnnl::stream& stream() {
  static thread_local dnnl::stream own(engine());
  if (omp_get_max_threads() != num_threads) omp_set_num_threads(num_threads);
  return own;
}

class GrowingMemory {
 public:
  ~GrowingMemory() { std::free(data_); }
  void* of(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      size_ = 0;
      // Whole pages: oneDNN asks for alignment to 64 bytes and likes that of pages.
      data_ = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = bytes;
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

void set_threads(int count) {
  static const int registered = pthread_atfork(nullptr, nullptr, compute_alone);
  (void)registered;
  num_threads = count;
}

int threads() {
  stream();
  return num_threads;
}

void* own_memory(Piece piece, size_t bytes) {
  static thread_local std::array<GrowingMemory, 3> pieces;
  return pieces[static_cast<size_t>(piece)].of(bytes);
}

void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad, Arguments arguments) {
  if (scratchpad.get_size() > 0)
    arguments.insert({DNNL_ARG_SCRATCHPAD, at(scratchpad, own_memory(Piece::scratchpad, scratchpad.get_size()))});
  primitive.execute(stream(), arguments);
  dnnl::stream(stream()).wait();
}

void reorder(const dnnl::memory& source, const dnnl::memory& target) {
  dnnl::reorder::primitive_desc desc(source, target, user_scratchpad());
  run(dnnl::reorder(desc), desc.scratchpad_desc(), {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}});
}

dnnl::memory reordered(const dnnl::memory& source, const dnnl::memory::desc& desc, Piece piece) {
  if (source.get_desc() == desc) return source;
  dnnl::memory target = at(desc, own_memory(piece, desc.get_size()));
  reorder(source, target);
  return target;
}

}  // namespace ppcls
