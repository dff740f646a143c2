// Attempts that busybox has no words for. Says of each step `STEP: done`, or why it was refused;
// ends with 0 if all was done.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed;

static long told(const char *step, long result) {
    printf("%s: %s\n", step, result < 0 ? strerror(errno) : "done");
    failed |= result < 0;
    return result;
}

static int of_process(const char *pid, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    return open(path, flags);
}

static void write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY);
    if (file < 0 || write(file, text, strlen(text)) < 0)
        told(path, -1);
    close(file);
}

static void look_into(const char *pid) {
    told("ptrace", ptrace(PTRACE_SEIZE, atoi(pid), 0, 0));
    told("memory", of_process(pid, "mem", O_RDWR));
    told("root", of_process(pid, "root", O_RDONLY));
    int namespace = of_process(pid, "ns/mnt", O_RDONLY);
    told("enter", namespace < 0 ? -1 : setns(namespace, CLONE_NEWNS));
}

static void load_module(void) {
    told("init_module", syscall(SYS_init_module, "garbage", 7, ""));
    told("finit_module", syscall(SYS_finit_module, open("/bin/busybox", O_RDONLY), "", 0));
}

// A file of the host that is mounted into the container gives the handle of its file system.
static void open_by_handle(void) {
    char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    struct file_handle *handle = (struct file_handle *)space;
    int mount_id, mount = open("/etc/hostname", O_RDONLY);
    handle->handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, "/etc/hostname", handle, &mount_id, 0) < 0)
        told("name_to_handle_at", -1);
    else
        told("open_by_handle_at", open_by_handle_at(mount, handle, O_RDONLY));
}

static void mount_things(void) {
    told("mount", mount("none", "/tmp", "tmpfs", 0, ""));
    told("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    told("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
}

// CVE-2022-0492. What is written is what stands there, so that nothing changes.
static void release_agent(const char *hierarchy, const char *how) {
    if (strcmp(how, "unshare") == 0) {
        if (told("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP)) < 0)
            return;
        write_file("/proc/self/setgroups", "deny");
        write_file("/proc/self/uid_map", "0 0 1");
        write_file("/proc/self/gid_map", "0 0 1");
    }
    mkdir("/tmp/hierarchy", 0700);
    if (told("mount", mount("cgroup", "/tmp/hierarchy", "cgroup", 0, hierarchy)) < 0)
        return;
    int file = open("/tmp/hierarchy/release_agent", O_RDWR);
    char present[4096];
    long length = file < 0 ? -1 : read(file, present, sizeof present);
    told("write", length < 0 ? -1 : pwrite(file, length ? present : "\n", length ? length : 1, 0));
}

// CVE-2019-5736: keeps hold of the program of a process, and writes when it does not run.
static void overwrite(const char *pid) {
    int program = of_process(pid, "exe", O_PATH);
    if (told("hold", program) < 0)
        return;
    kill(atoi(pid), SIGKILL);
    while (kill(atoi(pid), 0) == 0)
        usleep(1000);
    char own[64];
    struct stat present;
    snprintf(own, sizeof own, "/proc/self/fd/%d", program);
    told("write", open(own, O_WRONLY));
    told("change", stat(own, &present) < 0 ? -1 : chmod(own, present.st_mode & 07777));
}

static void type_into_terminals(void) {
    for (int stream = 0; stream <= 2; stream++)
        told("standard stream", ioctl(stream, TIOCSTI, " "));
    told("/dev/tty", open("/dev/tty", O_RDWR));
}

static void key(const char *what, const char *name) {
    long ring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    if (told("keyring", ring) < 0)
        return;
    if (strcmp(what, "add") == 0) {
        told("add", syscall(SYS_add_key, "user", name, "x", 1, ring));
        return;
    }
    long found = syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", name, 0);
    if (told("find", found) >= 0 && strcmp(what, "remove") == 0)
        told("remove", syscall(SYS_keyctl, KEYCTL_INVALIDATE, found));
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "", *one = count > 2 ? words[2] : "";
    const char *two = count > 3 ? words[3] : "";
    if (strcmp(what, "process") == 0)
        look_into(one);
    else if (strcmp(what, "module") == 0)
        load_module();
    else if (strcmp(what, "handle") == 0)
        open_by_handle();
    else if (strcmp(what, "mount") == 0)
        mount_things();
    else if (strcmp(what, "release_agent") == 0)
        release_agent(one, two);
    else if (strcmp(what, "overwrite") == 0)
        overwrite(one);
    else if (strcmp(what, "terminal") == 0)
        type_into_terminals();
    else if (strcmp(what, "key") == 0)
        key(one, two);
    else
        return 2;
    return failed;
}
