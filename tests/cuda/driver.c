/* A libcuda.so.1 for machines without a GPU: its memory is the host's, its kernels are looked at and not run.
 *
 * numba-cuda, cuda.bindings and cuda.core load it as they load NVIDIA's, so that everything we ask of them on the host runs: contexts,
 * memory, code that is compiled and linked, arguments, launches, graphs. Each call is held to the driver's rules, and what breaks one
 * is a line "FAULT …" on stderr, where every launch, too, leaves a line. (CUDA Driver API; CUDA C++ Programming Guide, "Technical
 * Specifications per Compute Capability" for the limits, of 9.0.)
 */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { OK, INVALID, NO_MEMORY, NO_DEVICE = 101, BAD_IMAGE = 200, NO_CONTEXT = 201, NOT_FOUND = 500, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALID };
enum { REGISTERS = 65536, SHARED = 49152, THREADS = 1024, RELAXED = 2, NON_BLOCKING = 1 };
typedef unsigned long long u64;

static int faults;
#define FAULT(...) (faults++, fprintf(stderr, "FAULT "), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))
__attribute__((destructor)) static void ended(void) { fprintf(stderr, "ENDED with %d faults\n", faults); }

/* ---- the device and its context ------------------------------------------------------------------------------------------ */

static __thread void *contexts[64];
static __thread int depth;
static char primary;
#define NEED_CONTEXT do { if (!depth) { FAULT("%s: no context", __func__); return NO_CONTEXT; } } while (0)

static int Init(unsigned flags) { return OK; }
static int DriverGetVersion(int *version) { *version = 13000; return OK; }
static int DeviceGetCount(int *count) { *count = 1; return OK; }
static int DeviceGet(int *device, int number) { *device = 0; return number ? NO_DEVICE : OK; }
static int DeviceGetName(char *name, int length, int device) { snprintf(name, length, "no GPU at all"); return OK; }
static int DeviceGetUuid(char *uuid, int device) { memset(uuid, 7, 16); return OK; }
static int DeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 1; return OK; }
static int DevicePrimaryCtxRetain(void **context, int device) { *context = &primary; return OK; }
static int DevicePrimaryCtxRelease(int device) { return OK; }
static int CtxGetCurrent(void **context) { *context = depth ? contexts[depth - 1] : NULL; return OK; }
static int CtxSetCurrent(void *context) { depth -= depth > 0; if (context) contexts[depth++] = context; return OK; }
static int CtxPushCurrent(void *context) { if (depth == 64) { FAULT("contexts are pushed and never popped"); return INVALID; } contexts[depth++] = context; return OK; }
static int CtxPopCurrent(void **context) { NEED_CONTEXT; *context = contexts[--depth]; return OK; }
static int CtxGetDevice(int *device) { *device = 0; return depth ? OK : NO_CONTEXT; }

/* ---- streams and graphs -------------------------------------------------------------------------------------------------- */

struct launch { const char *kernel; u64 at[32]; int arrays; };
struct graph { struct launch *launches; int count; };
struct stream { unsigned flags; int capturing, mode, invalid; struct graph *graph; };
static struct stream *capturing;

static int refused(const char *what) { if (!capturing) return OK; FAULT("%s while a graph is captured", what); capturing->invalid = 1; return CAPTURE_UNSUPPORTED; }
static int CtxSynchronize(void) { NEED_CONTEXT; return refused("cuCtxSynchronize"); }
static int StreamCreateWithPriority(struct stream **stream, unsigned flags, int priority) { NEED_CONTEXT; *stream = calloc(1, sizeof **stream); (*stream)->flags = flags; return OK; }
static int CtxGetStreamPriorityRange(int *least, int *greatest) { *least = *greatest = 0; return OK; }
static int StreamDestroy(struct stream *stream) { return OK; }
static int StreamBeginCapture(struct stream *stream, int mode) {
    if ((uintptr_t)stream <= 2) { FAULT("a default stream cannot be captured"); return CAPTURE_UNSUPPORTED; }
    if (!(stream->flags & NON_BLOCKING)) FAULT("the captured stream waits for the legacy one, on which nothing could be launched meanwhile");
    *stream = (struct stream){stream->flags, 1, mode, 0, calloc(1, sizeof(struct graph))};
    capturing = stream;
    return OK;
}
static int StreamEndCapture(struct stream *stream, struct graph **graph) {
    stream->capturing = 0;
    capturing = NULL;
    if (graph) *graph = stream->invalid ? NULL : stream->graph;
    return stream->invalid ? CAPTURE_INVALID : OK;
}
static int StreamGetCaptureInfo(struct stream *stream, int *status, u64 *id, struct graph **graph, void **nodes, void **edges, size_t *count) {
    int now = (uintptr_t)stream > 2 && stream->capturing;
    if (status) *status = now ? 1 + stream->invalid : 0;
    if (id) *id = 1;
    if (graph) *graph = now ? stream->graph : NULL;
    if (nodes) *nodes = NULL;
    if (edges) *edges = NULL;
    if (count) *count = 0;
    return OK;
}
static int StreamIsCapturing(struct stream *stream, int *status) { return StreamGetCaptureInfo(stream, status, NULL, NULL, NULL, NULL, NULL); }
static int GraphInstantiateWithParams(struct graph **executable, struct graph *graph, struct { u64 flags; void *stream, *node; int result; } *given) {
    *executable = graph;
    given->result = 0;
    fprintf(stderr, "GRAPH of %d launches\n", graph->count);
    return refused("cuGraphInstantiate");
}
static int UserObjectCreate(void **object, void *pointer, void *destroy, unsigned count, unsigned flags) { *object = pointer; return OK; }
static int nothing(void) { return OK; }

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static struct block { u64 start; size_t size; int living; } *blocks;   /* addresses are not given out twice: what is dead stays known */
static int known;
static size_t held;

static struct block *at(u64 address) {
    for (int i = known; i--;) if (address >= blocks[i].start && address < blocks[i].start + blocks[i].size) return blocks + i;
    return NULL;
}
static size_t all(void) { const char *given = getenv("DRIVER_MEMORY"); return given ? strtoull(given, NULL, 10) : 1ull << 30; }
static int MemAlloc(u64 *address, size_t size) {
    NEED_CONTEXT;
    if (capturing && capturing->mode != RELAXED) return refused("cuMemAlloc");
    if (!size) return INVALID;
    if (held + size > all()) return NO_MEMORY;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NO_MEMORY;
    if (known % 1024 == 0) blocks = realloc(blocks, (known + 1024) * sizeof *blocks);
    blocks[known++] = (struct block){(u64)memory, size, 1};
    held += size;
    *address = (u64)memory;
    return OK;
}
static int MemFree(u64 address) {
    struct block *block = at(address);
    if (!block || !block->living || block->start != address) { FAULT("cuMemFree of what is not held"); return INVALID; }
    block->living = 0;
    held -= block->size;
    return OK;
}
static int MemGetInfo(size_t *left, size_t *total) { NEED_CONTEXT; *total = all(); *left = *total - held; return OK; }
static int reachable(const char *what, u64 address, size_t size) {
    struct block *block = at(address);
    if (refused(what)) return 0;
    if (block && block->living && address + size <= block->start + block->size) return 1;
    FAULT("%s: %zu bytes that are not held", what, size);
    return 0;
}
static int MemcpyHtoD(u64 to, const void *from, size_t size) { NEED_CONTEXT; if (!reachable(__func__, to, size)) return INVALID; memcpy((void *)to, from, size); return OK; }
static int MemcpyDtoH(void *to, u64 from, size_t size) { NEED_CONTEXT; if (!reachable(__func__, from, size)) return INVALID; memcpy(to, (void *)from, size); return OK; }

/* ---- code: what the linker wrote down about each kernel ------------------------------------------------------------------ */

struct kernel { const char *name; int registers, shared, local, parameters, size[256]; };
struct library { struct kernel kernels[8]; int count; };

static void each_note(const unsigned char *from, size_t size, void (*tell)(void *, int, const uint32_t *), void *whom) {
    for (const unsigned char *p = from; p + 4 <= from + size;) {      /* a form, a number, and for form 4 a length and words */
        if (p[0] == 4) tell(whom, p[1], (const uint32_t *)(p + 4));
        p += p[0] == 4 ? 4 + (p[2] | p[3] << 8) : 4;
    }
}
static void of_kernel(void *whom, int number, const uint32_t *words) {
    struct kernel *kernel = whom;
    int which = words[1] & 0xffff;
    if (number != 0x17 || which >= 256) return;                        /* EIATTR_KPARAM_INFO */
    kernel->size[which] = words[2] >> 18;
    if (which >= kernel->parameters) kernel->parameters = which + 1;
}
struct found { struct library *library; const Elf64_Sym *symbols; const char *strings; };
static void of_all(void *whom, int number, const uint32_t *words) {
    struct found *found = whom;
    for (int k = 0; k < found->library->count; k++) {
        struct kernel *kernel = found->library->kernels + k;
        if ((number != 0x2f && number != 0x11) || strcmp(found->strings + found->symbols[words[0]].st_name, kernel->name)) continue;
        *(number == 0x2f ? &kernel->registers : &kernel->local) = words[1];   /* EIATTR_REGCOUNT, EIATTR_FRAME_SIZE */
    }
}
static int LibraryLoadData(struct library **made, const unsigned char *code, void *a, void *b, unsigned c, void *d, void *e, unsigned f) {
    NEED_CONTEXT;
    if (memcmp(code, "\177ELF", 4)) { FAULT("the driver is given code that is not linked"); return BAD_IMAGE; }
    char *image = malloc(((Elf64_Ehdr *)code)->e_shoff + ((Elf64_Ehdr *)code)->e_shnum * sizeof(Elf64_Shdr));
    memcpy(image, code, ((Elf64_Ehdr *)code)->e_shoff + ((Elf64_Ehdr *)code)->e_shnum * sizeof(Elf64_Shdr));
    const Elf64_Ehdr *head = (void *)image;
    const Elf64_Shdr *sections = (void *)(image + head->e_shoff), *table = NULL;
    const char *names = image + sections[head->e_shstrndx].sh_offset;
    struct library *library = *made = calloc(1, sizeof *library);
    for (int i = 0; i < head->e_shnum; i++) {
        const char *name = names + sections[i].sh_name;
        if (sections[i].sh_type == SHT_SYMTAB) table = sections + i;
        if (strncmp(name, ".nv.info.", 9) || library->count == 8) continue;
        struct kernel *kernel = library->kernels + library->count++;
        kernel->name = name + 9;
        each_note((void *)(image + sections[i].sh_offset), sections[i].sh_size, of_kernel, kernel);
    }
    struct found found = {library, (void *)(image + table->sh_offset), image + sections[table->sh_link].sh_offset};
    for (int i = 0; i < head->e_shnum; i++) {
        const char *name = names + sections[i].sh_name;
        if (!strcmp(name, ".nv.info")) each_note((void *)(image + sections[i].sh_offset), sections[i].sh_size, of_all, &found);
        for (int k = 0; k < library->count; k++)
            if (!strncmp(name, ".nv.shared.", 11) && !strcmp(name + 11, library->kernels[k].name)) library->kernels[k].shared = sections[i].sh_size;
    }
    return OK;
}
static int LibraryGetKernel(struct kernel **kernel, struct library *library, const char *name) {
    for (int k = 0; k < library->count; k++) if (!strcmp(library->kernels[k].name, name)) { *kernel = library->kernels + k; return OK; }
    return NOT_FOUND;
}
static int KernelGetAttribute(int *value, int attribute, struct kernel *kernel, int device) {
    *value = attribute == 0 ? THREADS : attribute == 1 ? kernel->shared : attribute == 3 ? kernel->local : attribute == 4 ? kernel->registers : 0;
    return OK;
}

/* ---- launches ------------------------------------------------------------------------------------------------------------ */

struct how { unsigned grid[3], block[3], shared; struct stream *stream; };

static int LaunchKernelEx(const struct how *how, struct kernel *kernel, void **parameters, void **extra) {
    NEED_CONTEXT;
    const unsigned *g = how->grid, *b = how->block, threads = b[0] * b[1] * b[2], warps = (threads + 31) / 32;
    int each = (kernel->registers * 32 + 255) / 256 * 256, before = faults;   /* registers are given to whole warps, 256 at a time, in four parts */
    struct launch launch = {kernel->name};
    fprintf(stderr, "LAUNCH %u %u %u of %u %u %u, registers %d, shared %d, local %d: %s\n", g[0], g[1], g[2], b[0], b[1], b[2], kernel->registers,
            how->shared + kernel->shared, kernel->local, kernel->name);
    if (!g[0] || !g[1] || !g[2] || g[0] > 2147483647u || g[1] > 65535 || g[2] > 65535) FAULT("a grid of %u %u %u", g[0], g[1], g[2]);
    if (!threads || threads > THREADS || b[2] > 64) FAULT("a block of %u %u %u", b[0], b[1], b[2]);
    if ((warps + 3) / 4 * 4 * each > REGISTERS) FAULT("%u threads of %d registers", threads, kernel->registers);
    if (how->shared + kernel->shared > SHARED) FAULT("%u bytes of shared memory", how->shared + kernel->shared);
    if (!kernel->registers) FAULT("nothing is known of the kernel");
    for (int i = 0; i < kernel->parameters; i++) {
        u64 value = 0;
        memcpy(&value, parameters[i], kernel->size[i]);
        struct block *block = kernel->size[i] == 8 ? at(value) : NULL;
        if (block && !block->living) FAULT("argument %d is memory that was given back", i);
        if (block && launch.arrays < 32) launch.at[launch.arrays++] = value;
    }
    if (capturing && how->stream != capturing) FAULT("a launch past the graph that is captured");
    if (capturing) {
        struct graph *graph = capturing->graph;
        if (graph->count % 256 == 0) graph->launches = realloc(graph->launches, (graph->count + 256) * sizeof launch);
        graph->launches[graph->count++] = launch;
    }
    return faults == before ? OK : INVALID;
}
static int GraphLaunch(struct graph *graph, struct stream *stream) {
    NEED_CONTEXT;
    for (int i = 0; i < graph->count; i++)
        for (int k = 0; k < graph->launches[i].arrays; k++)
            if (!at(graph->launches[i].at[k])->living) FAULT("a graph whose memory was given back");
    fprintf(stderr, "REPLAY of %d launches\n", graph->count);
    return refused("cuGraphLaunch");
}

/* ---- by name ------------------------------------------------------------------------------------------------------------- */

#define NAMED(f) {"cu" #f, (void *)f}
#define IGNORED(f) {"cu" #f, (void *)nothing}
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status);
static const struct { const char *name; void *function; } functions[] = {
    NAMED(Init), NAMED(DriverGetVersion), NAMED(DeviceGetCount), NAMED(DeviceGet), NAMED(DeviceGetName), NAMED(DeviceGetUuid), NAMED(DeviceGetAttribute),
    NAMED(DevicePrimaryCtxRetain), NAMED(DevicePrimaryCtxRelease), NAMED(CtxGetCurrent), NAMED(CtxSetCurrent), NAMED(CtxPushCurrent),
    NAMED(CtxPopCurrent), NAMED(CtxGetDevice), NAMED(CtxGetStreamPriorityRange), NAMED(CtxSynchronize), NAMED(StreamCreateWithPriority), NAMED(StreamDestroy),
    NAMED(StreamBeginCapture), NAMED(StreamEndCapture), NAMED(StreamGetCaptureInfo), NAMED(StreamIsCapturing), NAMED(GraphInstantiateWithParams),
    NAMED(UserObjectCreate), IGNORED(UserObjectRelease), IGNORED(UserObjectRetain), IGNORED(GraphRetainUserObject), IGNORED(GraphReleaseUserObject),
    IGNORED(GraphDestroy), IGNORED(GraphExecDestroy), NAMED(GraphLaunch), NAMED(MemAlloc), NAMED(MemFree), NAMED(MemGetInfo), NAMED(MemcpyHtoD),
    NAMED(MemcpyDtoH), NAMED(LibraryLoadData), IGNORED(LibraryUnload), NAMED(LibraryGetKernel), NAMED(KernelGetAttribute), NAMED(LaunchKernelEx),
    {"cuGetProcAddress", (void *)cuGetProcAddress_v2}};

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    *function = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) if (!strcmp(functions[i].name, name)) *function = functions[i].function;
    if (status) *status = *function == NULL;
    return *function ? OK : NOT_FOUND;
}
int cuInit(unsigned flags) { return Init(flags); }
int cuDriverGetVersion(int *version) { return DriverGetVersion(version); }
int cuDeviceGetCount(int *count) { return DeviceGetCount(count); }
int cuDeviceGet(int *device, int number) { return DeviceGet(device, number); }
int cuDeviceGetName(char *name, int length, int device) { return DeviceGetName(name, length, device); }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return DeviceGetAttribute(value, attribute, device); }
