// A simulated SDAA runtime for Paddle: memory of the host, work done at once, collectives over shared memory.
//
// It lets every path of `--device sdaa` run on a machine without a card. It has no kernels of its own: Paddle
// copies to the host, uses the CPU's and copies back, so results are the CPU's bit for bit. What a card does in
// the background (streams, events) is over here before the call returns.
//
// docs/sdaa.md says how to build and use it. SIM_SDAA_DEVICES: how many devices there are; 4, as on one card.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "paddle/phi/backends/device_ext.h"
#include "paddle/phi/common/float16.h"

namespace {

// Devices.

thread_local int current_device = 0;

size_t num_devices() {
  const char* text = getenv("SIM_SDAA_DEVICES");
  return text ? strtoul(text, nullptr, 10) : 4;
}

C_Status nothing() { return C_SUCCESS; }
C_Status nothing_on(const C_Device) { return C_SUCCESS; }
C_Status nothing_to_trace(C_Profiler, void*) { return C_SUCCESS; }  // the host's work is all there is

C_Status set_device(const C_Device device) {
  current_device = device->id;
  return C_SUCCESS;
}

C_Status get_device(const C_Device device) {
  device->id = current_device;
  return C_SUCCESS;
}

C_Status get_device_count(size_t* count) {
  *count = num_devices();
  return C_SUCCESS;
}

C_Status get_device_list(size_t* devices) {
  for (size_t i = 0; i < num_devices(); ++i) devices[i] = i;
  return C_SUCCESS;
}

C_Status supported(const C_Device, bool* answer) {
  *answer = true;
  return C_SUCCESS;
}

// Streams and events: all work is done when it is asked for, so there is nothing to keep or to wait for.

C_Status create_stream(const C_Device, C_Stream* stream) {
  *stream = nullptr;
  return C_SUCCESS;
}

C_Status create_event(const C_Device, C_Event* event) {
  *event = nullptr;
  return C_SUCCESS;
}

C_Status on_stream(const C_Device, C_Stream) { return C_SUCCESS; }
C_Status on_event(const C_Device, C_Event) { return C_SUCCESS; }
C_Status on_both(const C_Device, C_Stream, C_Event) { return C_SUCCESS; }

// Memory.

C_Status allocate(const C_Device, void** memory, size_t size) {
  *memory = malloc(size);
  return *memory ? C_SUCCESS : C_FAILED;
}

C_Status deallocate(const C_Device, void* memory, size_t) {
  free(memory);
  return C_SUCCESS;
}

C_Status copy(const C_Device, void* to, const void* from, size_t size) {
  memcpy(to, from, size);
  return C_SUCCESS;
}

C_Status copy_on_stream(const C_Device, C_Stream, void* to, const void* from, size_t size) {
  memcpy(to, from, size);
  return C_SUCCESS;
}

C_Status memory_stats(const C_Device, size_t* total, size_t* free) {
  *total = *free = size_t{8} << 30;
  return C_SUCCESS;
}

C_Status min_chunk_size(const C_Device, size_t* size) {
  *size = 512;
  return C_SUCCESS;
}

// Collectives: each rank puts a piece of its data into its slot of a shared memory, all wait for each other, each
// takes what it needs, and all wait again. Ranks are added up in their order, so every rank gets the same bits.

constexpr size_t kSlotBytes = size_t{1} << 20;
constexpr size_t kNameBytes = 64;

struct Shared {  // zeros are its start: that is what fresh shared memory holds
  std::atomic<uint32_t> arrived;
  std::atomic<uint32_t> round;
};
constexpr size_t kHeaderBytes = 4096;

struct Comm {
  size_t num_ranks;
  size_t rank;
  char* memory;

  size_t num_bytes() const { return kHeaderBytes + num_ranks * kSlotBytes; }
  char* slot(size_t owner) const { return memory + kHeaderBytes + owner * kSlotBytes; }

  void wait_for_all() const {
    auto* shared = reinterpret_cast<Shared*>(memory);
    const uint32_t round = shared->round;
    if (shared->arrived.fetch_add(1) + 1 == num_ranks) {
      shared->arrived = 0;
      ++shared->round;
    }
    while (shared->round == round) sched_yield();
  }
};

Comm* comm_of(C_CCLComm comm) { return reinterpret_cast<Comm*>(comm); }

// The id of a communicator is the name of its shared memory.
C_Status unique_id_size(size_t* size) {
  *size = kNameBytes;
  return C_SUCCESS;
}

C_Status unique_id(C_CCLRootId* id) {
  static std::atomic<int> count{0};
  snprintf(static_cast<char*>(id->data), kNameBytes, "/sim_sdaa_%d_%d", getpid(), count++);
  return C_SUCCESS;
}

C_Status init_comm(size_t num_ranks, C_CCLRootId* id, size_t rank, C_CCLComm* comm) {
  const char* name = static_cast<const char*>(id->data);
  auto* made = new Comm{num_ranks, rank, nullptr};
  const int file = shm_open(name, O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, made->num_bytes()) != 0) return C_FAILED;
  void* memory = mmap(nullptr, made->num_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return C_FAILED;
  made->memory = static_cast<char*>(memory);
  made->wait_for_all();
  if (rank == 0) shm_unlink(name);  // all have it: from now on it goes when the last of them ends
  *comm = reinterpret_cast<C_CCLComm>(made);
  return C_SUCCESS;
}

C_Status destroy_comm(C_CCLComm comm) {
  munmap(comm_of(comm)->memory, comm_of(comm)->num_bytes());
  delete comm_of(comm);
  return C_SUCCESS;
}

C_Status comm_name(C_CCLComm, char* name) {
  strcpy(name, "sim_sdaa");
  return C_SUCCESS;
}

size_t size_of(C_DataType type) {
  switch (type) {
    case BOOL: case UINT8: case INT8: return 1;
    case UINT16: case INT16: case FLOAT16: case BFLOAT16: return 2;
    case UINT32: case INT32: case FLOAT32: return 4;
    default: return 8;
  }
}

// Calls `exchange(done, size)` for piece after piece of `num_bytes`, between two waits, after `give(slot, done, size)`.
template <typename Give, typename Take>
C_Status exchange(const Comm& comm, size_t num_bytes, Give give, Take take) {
  for (size_t done = 0; done < num_bytes; done += kSlotBytes) {
    const size_t size = std::min(kSlotBytes, num_bytes - done);
    give(done, size);
    comm.wait_for_all();
    take(done, size);
    comm.wait_for_all();
  }
  return C_SUCCESS;
}

template <typename T>
void add_slots(const Comm& comm, T* to, size_t count, C_CCLReduceOp op) {
  for (size_t i = 0; i < count; ++i) {
    T total = reinterpret_cast<const T*>(comm.slot(0))[i];
    for (size_t rank = 1; rank < comm.num_ranks; ++rank) {
      const T value = reinterpret_cast<const T*>(comm.slot(rank))[i];
      if (op == MAX) total = std::max(total, value);
      else if (op == MIN) total = std::min(total, value);
      else total = op == PRODUCT ? total * value : total + value;
    }
    to[i] = op == AVG ? total / static_cast<T>(comm.num_ranks) : total;
  }
}

template <typename T>
C_Status reduce_as(const Comm& comm, void* send, void* receive, size_t count, C_CCLReduceOp op) {
  auto give = [&](size_t done, size_t size) { memcpy(comm.slot(comm.rank), static_cast<char*>(send) + done, size); };
  auto take = [&](size_t done, size_t size) {
    add_slots(comm, reinterpret_cast<T*>(static_cast<char*>(receive) + done), size / sizeof(T), op);
  };
  return exchange(comm, count * sizeof(T), give, take);
}

C_Status all_reduce(
    void* send, void* receive, size_t count, C_DataType type, C_CCLReduceOp op, C_CCLComm comm, C_Stream) {
  switch (type) {
    case INT32: return reduce_as<int32_t>(*comm_of(comm), send, receive, count, op);
    case INT64: return reduce_as<int64_t>(*comm_of(comm), send, receive, count, op);
    case FLOAT16: return reduce_as<phi::dtype::float16>(*comm_of(comm), send, receive, count, op);
    case FLOAT32: return reduce_as<float>(*comm_of(comm), send, receive, count, op);
    case FLOAT64: return reduce_as<double>(*comm_of(comm), send, receive, count, op);
    default: return C_ERROR;  // what data parallel training does not need
  }
}

C_Status broadcast(void* buffer, size_t count, C_DataType type, size_t root, C_CCLComm handle, C_Stream) {
  const Comm& comm = *comm_of(handle);
  auto give = [&](size_t done, size_t size) {
    if (comm.rank == root) memcpy(comm.slot(root), static_cast<char*>(buffer) + done, size);
  };
  auto take = [&](size_t done, size_t size) { memcpy(static_cast<char*>(buffer) + done, comm.slot(root), size); };
  return exchange(comm, count * size_of(type), give, take);
}

C_Status all_gather(void* send, void* receive, size_t count, C_DataType type, C_CCLComm handle, C_Stream) {
  const Comm& comm = *comm_of(handle);
  const size_t num_bytes = count * size_of(type);
  auto give = [&](size_t done, size_t size) { memcpy(comm.slot(comm.rank), static_cast<char*>(send) + done, size); };
  auto take = [&](size_t done, size_t size) {
    for (size_t rank = 0; rank < comm.num_ranks; ++rank)
      memcpy(static_cast<char*>(receive) + rank * num_bytes + done, comm.slot(rank), size);
  };
  return exchange(comm, num_bytes, give, take);
}

}  // namespace

void add_float16_kernels();  // of float16_kernels.cc

extern "C" void InitPlugin(CustomRuntimeParams* params) {
  PADDLE_CUSTOM_RUNTIME_CHECK_VERSION(params);
  params->device_type = const_cast<char*>("sdaa");
  params->sub_device_type = const_cast<char*>("simulated");
  C_DeviceInterface& calls = *params->interface;
  memset(&calls, 0, sizeof(calls));
  calls.size = sizeof(calls);

  calls.initialize = calls.finalize = nothing;
  calls.init_device = calls.deinit_device = calls.synchronize_device = nothing_on;
  calls.set_device = set_device;
  calls.get_device = get_device;
  calls.get_device_count = get_device_count;
  calls.get_device_list = get_device_list;
  calls.is_float16_supported = calls.is_bfloat16_supported = supported;

  calls.create_stream = create_stream;
  calls.destroy_stream = calls.synchronize_stream = calls.query_stream = on_stream;
  calls.create_event = create_event;
  calls.destroy_event = calls.synchronize_event = calls.query_event = on_event;
  calls.record_event = calls.stream_wait_event = on_both;

  calls.device_memory_allocate = calls.host_memory_allocate = allocate;
  calls.device_memory_deallocate = calls.host_memory_deallocate = deallocate;
  calls.memory_copy_h2d = calls.memory_copy_d2h = calls.memory_copy_d2d = copy;
  calls.async_memory_copy_h2d = calls.async_memory_copy_d2h = calls.async_memory_copy_d2d = copy_on_stream;
  calls.device_memory_stats = memory_stats;
  calls.device_min_chunk_size = min_chunk_size;

  calls.profiler_initialize = [](C_Profiler, void**) { return C_SUCCESS; };
  calls.profiler_finalize = calls.profiler_prepare_tracing = nothing_to_trace;
  calls.profiler_start_tracing = calls.profiler_stop_tracing = nothing_to_trace;
  calls.profiler_collect_trace_data = [](C_Profiler, uint64_t, void*) { return C_SUCCESS; };

  calls.xccl_get_unique_id_size = unique_id_size;
  calls.xccl_get_unique_id = unique_id;
  calls.xccl_comm_init_rank = init_comm;
  calls.xccl_destroy_comm = destroy_comm;
  calls.xccl_get_comm_name = comm_name;
  calls.xccl_all_reduce = all_reduce;
  calls.xccl_broadcast = broadcast;
  calls.xccl_all_gather = all_gather;
  calls.xccl_group_start = calls.xccl_group_end = nothing;

  add_float16_kernels();
}
