// The program that tt-metal's JIT calls as its compiler: has the driver that stands by do the job.
//
// Python takes longer to start than most of the driver's jobs last, and the JIT calls it ten times
// for each kernel. A session therefore keeps one (standby.py), known by TTGEN_DRIVER: it gets the
// arguments, the folder and where to print, and answers with the exit status. Without a session, or
// when it does not answer, the launcher beside this program does the same job in a new process.
//
// Freestanding, for x86-64 Linux, since of a tool chain for the host there are only clang and lld:
// system calls by their numbers (arch/x86/entry/syscalls/syscall_64.tbl), structures as in the
// kernel's include/linux/socket.h and include/uapi/linux/{uio,un}.h.

typedef unsigned long word;

enum { SYS_READ = 0, SYS_OPEN = 2, SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_SENDMSG = 46 };
enum { SYS_EXECVE = 59, SYS_READLINK = 89, SYS_EXIT_GROUP = 231 };
enum { AF_UNIX = 1, SOCK_STREAM = 1, SOL_SOCKET = 1, SCM_RIGHTS = 1 };
enum { O_DIRECTORY = 0200000, MSG_NOSIGNAL = 0x4000, MOST_ARGUMENTS = 1000, LONGEST_NAME = 106 };

struct piece {
  const void* start;
  word size;
};
struct address {
  unsigned short family;
  char name[108];
};
struct descriptors {
  word size;
  int level, type;
  int fd[3];
};
struct message {
  void* name;
  unsigned name_size;
  struct piece* pieces;
  word count;
  struct descriptors* control;
  word control_size;
  int flags;
};

static struct address driver;
static struct piece pieces[MOST_ARGUMENTS + 1];
static struct descriptors rights;
static struct message request;
static unsigned size;
static char launcher[4096];

static long call(word number, word a, word b, word c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static word length(const char* text) {
  word n = 0;
  while (text[n]) n++;
  return n;
}

static const char* variable(char** environment, const char* name) {
  for (; *environment; environment++) {
    word n = 0;
    while (name[n] && (*environment)[n] == name[n]) n++;
    if (!name[n] && (*environment)[n] == '=') return *environment + n + 1;
  }
  return 0;
}

// The driver's exit status, or -1 where there is none.
static int asked(int count, char** arguments, const char* name) {
  word n = length(name);
  if (n > LONGEST_NAME || count > MOST_ARGUMENTS) return -1;
  int connection = (int)call(SYS_SOCKET, AF_UNIX, SOCK_STREAM, 0);
  driver.family = AF_UNIX;  // and a name that begins with 0: it is in no folder
  for (word i = 0; i < n; i++) driver.name[1 + i] = name[i];
  if (connection < 0 || call(SYS_CONNECT, connection, (word)&driver, 3 + n) < 0) return -1;

  for (int i = 1; i < count; i++) {
    pieces[i].start = arguments[i];
    pieces[i].size = length(arguments[i]) + 1;
    size += (unsigned)pieces[i].size;
  }
  pieces[0].start = &size;
  pieces[0].size = sizeof size;
  rights.size = sizeof(word) + 2 * sizeof(int) + sizeof rights.fd;
  rights.level = SOL_SOCKET;
  rights.type = SCM_RIGHTS;
  rights.fd[0] = 1;
  rights.fd[1] = 2;
  rights.fd[2] = (int)call(SYS_OPEN, (word) ".", O_DIRECTORY, 0);
  request.pieces = pieces;
  request.count = (word)count;
  request.control = &rights;
  request.control_size = sizeof rights;
  if (call(SYS_SENDMSG, connection, (word)&request, MSG_NOSIGNAL) != (long)(sizeof size + size))
    return -1;
  unsigned char status;
  return call(SYS_READ, connection, (word)&status, 1) == 1 ? status : -1;
}

// Becomes the launcher, which lies beside this program whatever it was called by. Before the
// arguments on the stack lies their count: room for the shell.
static void launch(char** arguments, char** environment) {
  static char shell[] = "/bin/sh", suffix[] = ".sh";
  long n = call(SYS_READLINK, (word) "/proc/self/exe", (word)launcher, sizeof launcher);
  if (n < 0 || n + sizeof suffix > sizeof launcher) return;
  for (word i = 0; i < sizeof suffix; i++) launcher[(word)n + i] = suffix[i];
  arguments[-1] = shell;
  arguments[0] = launcher;
  call(SYS_EXECVE, (word)shell, (word)(arguments - 1), (word)environment);
}

__attribute__((used, noreturn)) void client(word* stack) {
  int count = (int)stack[0];
  char **arguments = (char**)(stack + 1), **environment = arguments + count + 1;
  const char* name = variable(environment, "TTGEN_DRIVER");
  int status = name ? asked(count, arguments, name) : -1;
  if (status < 0) launch(arguments, environment);
  call(SYS_EXIT_GROUP, status < 0 ? 127 : (word)status, 0, 0);
  __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall client\n");
