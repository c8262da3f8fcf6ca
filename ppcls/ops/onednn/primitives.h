// oneDNN's engine, streams, memory and primitives, as every file beside this one uses them.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dnnl.hpp"
#include "kernels.h"

namespace ppcls {

const dnnl::engine& engine();

inline dnnl::memory::data_type data_type(Type type) {
  return type == Type::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

inline dnnl::memory::desc channels_last(Type type, const Shape& s) {
  return {{s.n, s.c, s.h, s.w}, data_type(type), dnnl::memory::format_tag::nhwc};
}

inline dnnl::memory at(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, engine(), const_cast<void*>(data));
}

// An activation as oneDNN has it.
struct Eltwise {
  dnnl::algorithm algorithm;
  float alpha, beta;
};
Eltwise eltwise(Act act);

// A primitive that is made takes its scratchpad from `run`, so that threads can share it.
inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// Memory of the calling thread that grows and is used again; one piece for each purpose.
enum class Piece { scratchpad, reordered_weights, scaled_weights };
void* own_memory(Piece piece, size_t bytes);

using Arguments = std::unordered_map<int, dnnl::memory>;

// Runs a primitive on the calling thread's stream and waits for it.
void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad, Arguments arguments);

// `source` in the layout and type of `desc`: itself, or a reordered copy in this thread's `piece`.
dnnl::memory reordered(const dnnl::memory& source, const dnnl::memory::desc& desc, Piece piece);
void reorder(const dnnl::memory& source, const dnnl::memory& target);

using Key = std::vector<int64_t>;

struct KeyHash {
  size_t operator()(const Key& key) const {
    size_t hash = key.size();
    for (int64_t value : key) hash ^= std::hash<int64_t>()(value) + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
    return hash;
  }
};

// Primitives by shape, the ones used last; making one takes far longer than finding it.
// The number of threads is a part of the key, because oneDNN plans for it when it makes a primitive.
template <class Entry>
class PrimitiveCache {
 public:
  std::shared_ptr<const Entry> get(Key key, const std::function<Entry()>& make) {
    key.push_back(threads());
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = entries_.find(key);
    if (found != entries_.end()) {
      order_.splice(order_.begin(), order_, found->second.place);
      return found->second.entry;
    }
    auto entry = std::make_shared<const Entry>(make());
    if (entries_.size() >= kLargest) {
      entries_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(key);
    entries_.emplace(std::move(key), Slot{entry, order_.begin()});
    return entry;
  }

 private:
  // More than the shapes of the deepest model, in training and evaluation, at a few picture sizes.
  static constexpr size_t kLargest = 1024;
  struct Slot {
    std::shared_ptr<const Entry> entry;
    std::list<Key>::iterator place;
  };
  std::mutex mutex_;
  std::unordered_map<Key, Slot, KeyHash> entries_;
  std::list<Key> order_;
};

// A primitive with its descriptor, which knows the layouts that it wants.
template <class Primitive>
struct Made {
  typename Primitive::primitive_desc desc;
  Primitive primitive;
  explicit Made(typename Primitive::primitive_desc made) : desc(std::move(made)), primitive(desc) {}
};

}  // namespace ppcls
