// Limits of control groups, from trees of files as Linux shows them.
#include "runtime/base/cgroup.h"

#include "tests/harness.h"
#include "tests/images.h"

static const char *root_of(const char *name)
{
    return test_path("%s", name);
}

static void put(const char *root, const char *file, const char *text)
{
    write_bytes(test_path("%s/%s", root, file), text, (int64_t)strlen(text));
}

static const int64_t none = INT64_MAX;

TEST(cgroups_that_are_not_there)
{
    CHECK(cgroup_memory(root_of("nothing")) == none);
    CHECK(cgroup_processors(root_of("nothing")) == HUGE_VAL);
    put("v0", "proc/self/cgroup", "nonsense\n::\n0:\n\n");
    CHECK(cgroup_memory(root_of("v0")) == none);
}

TEST(cgroups_of_version_2)
{
    put("v2", "proc/self/cgroup", "0::/system/job/step\n");
    put("v2", "sys/fs/cgroup/system/job/step/memory.max", "max\n");
    put("v2", "sys/fs/cgroup/system/job/step/cpu.max", "max 100000\n");
    CHECK(cgroup_memory(root_of("v2")) == none);
    CHECK(cgroup_processors(root_of("v2")) == HUGE_VAL);
    // The groups around it hold as well, the least of all.
    put("v2", "sys/fs/cgroup/system/job/memory.max", "3000000000\n");
    put("v2", "sys/fs/cgroup/system/memory.max", "5000000000\n");
    put("v2", "sys/fs/cgroup/system/cpu.max", "150000 100000\n");
    CHECK_INT(cgroup_memory(root_of("v2")), 3000000000);
    CHECK_NEAR(cgroup_processors(root_of("v2")), 1.5, 0);
    put("v2", "sys/fs/cgroup/memory.max", "2000000000\n");
    CHECK_INT(cgroup_memory(root_of("v2")), 2000000000);
}

// In a container the path may be one of the host, which is not there.
TEST(cgroups_of_a_container)
{
    put("box", "proc/self/cgroup", "0::/docker/0123/nested\n");
    put("box", "sys/fs/cgroup/memory.max", "1000000000\n");
    put("box", "sys/fs/cgroup/cpu.max", "200000 100000\n");
    CHECK_INT(cgroup_memory(root_of("box")), 1000000000);
    CHECK_NEAR(cgroup_processors(root_of("box")), 2, 0);
}

TEST(cgroups_of_version_1)
{
    put("v1", "proc/self/cgroup",
        "12:pids:/jobs\n4:cpu,cpuacct:/jobs/one\n3:memory:/jobs/one\n"
        "1:name=systemd:/x\n0::/y\n");
    put("v1", "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes",
        "9223372036854771712\n");
    CHECK(cgroup_memory(root_of("v1")) == none);
    put("v1", "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes",
        "4000000000\n");
    put("v1", "sys/fs/cgroup/cpu,cpuacct/jobs/one/cpu.cfs_quota_us", "-1\n");
    put("v1", "sys/fs/cgroup/cpu,cpuacct/jobs/one/cpu.cfs_period_us",
        "100000\n");
    CHECK_INT(cgroup_memory(root_of("v1")), 4000000000);
    CHECK(cgroup_processors(root_of("v1")) == HUGE_VAL);
    put("v1", "sys/fs/cgroup/cpu,cpuacct/jobs/one/cpu.cfs_quota_us", "50000\n");
    CHECK_NEAR(cgroup_processors(root_of("v1")), 0.5, 0);
    // The folder of one controller's name is a link to that of both.
    put("v1", "sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "25000\n");
    put("v1", "sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n");
    CHECK_NEAR(cgroup_processors(root_of("v1")), 0.25, 0);
}
