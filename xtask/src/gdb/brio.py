"""gdb commands that know the kernel: `brio` lists them.

They read the kernel's own data structures by their types, so they work whatever the
machine does, and on a kernel that hangs. The kernel has the feature `debugger`: its
list of all objects, with numbers and names, is where they start.

Prepared by xtask: KERNEL, the kernel's ELF file; FOLDER, where those of programs are.
"""

import os
import struct

import gdb

WORD = 8
PAGE_LEVEL_BITS = 9
MAX_CALLERS = 24
U64 = (1 << 64) - 1


class Problem(gdb.GdbError):
    """Something that the person at the keyboard can do something about."""


# Values of Rust types.


def number(value):
    """The number in a cell, an atomic or a plain value."""
    return int(inner(value))


def inner(value):
    """What is in cells, atomics, locks and newtypes of one field."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        names = [field.name for field in value.type.fields()]
        for name in ("value", "v", "p", "data", "inner", "pointer", "__0"):
            if name in names:
                value = value[name]
                break
        else:
            return value
    return value


def unwrap(value, *names):
    """Follows fields by name."""
    for name in names:
        value = value[name]
    return value


def address(pointer):
    return int(pointer) & U64


def type_of(name):
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise Problem("The kernel's symbols are not loaded: `kernel` loads them.")


def at(where, type_name):
    """The value of a type at an address."""
    pointer = gdb.Value(where).cast(type_of(type_name).pointer())
    return pointer.dereference()


def plain(value):
    """An enum's value without the paths of its parts."""
    words = str(value).replace("kernel::object::thread::", "")
    for name in ("Waiting::", "Source::", "Life::", "Deferred::", "Purpose::"):
        words = words.replace(name, "")
    return words


HEADER = "machine::object::Header<kernel::object::Common>"


def object_type(name):
    return "machine::object::Object<kernel::object::Common, kernel::object::%s>" % name


# The machine.


def is_aarch64():
    return "aarch64" in gdb.selected_inferior().architecture().name()


def physical_mode(on):
    gdb.execute("maintenance packet Qqemu.PhyMemMode:%d" % on, to_string=True)


class KernelMemory:
    """While this is in force, the kernel's addresses can be read. On x86_64 they always
    can; on aarch64 user mode has another translation, but the kernel's addresses are
    physical ones."""

    def __enter__(self):
        if is_aarch64():
            physical_mode(1)

    def __exit__(self, *_):
        if is_aarch64():
            physical_mode(0)


def read_physical(where):
    """The word at a physical address."""
    physical_mode(1)
    try:
        memory = gdb.selected_inferior().read_memory(where, WORD)
        return struct.unpack("<Q", bytes(memory))[0]
    except gdb.MemoryError:
        return None
    finally:
        if not is_aarch64():
            physical_mode(0)


def cpu():
    """The data of the CPU that gdb looks at."""
    if is_aarch64():
        block = address(gdb.parse_and_eval("$TPIDR_EL2"))
    else:
        # `swapgs` exchanges the kernel's and the user's on the way.
        candidates = ("$gs_base", "$k_gs_base")
        values = [address(gdb.parse_and_eval(name)) for name in candidates]
        block = next((value for value in values if value >> 47), 0)
    if block == 0:
        raise Problem("The kernel has not started on this CPU yet.")
    return at(block, "machine::per_cpu::PerCpu<kernel::cpu::CpuLocal>")


def kernel():
    return cpu()["local"]["kernel"].dereference()


# Objects.


class Object:
    """A kernel object, by its header."""

    def __init__(self, header):
        self.header = header
        self.common = header["common"]
        debug = self.common["debug"]
        self.number = number(debug["number"])
        self.name = text([number(debug["name"][index]) for index in range(2)])
        self.kind = str(self.common["kind"]).split("::")[-1]
        self.address = address(header.address)

    def value(self):
        """The object itself."""
        module = {"Thread": "thread::Thread", "Task": "task::Task"}[self.kind]
        return at(self.address, object_type(module))["value"]

    def label(self):
        return "#%d %s" % (self.number, self.name) if self.name else "#%d" % self.number

    def program(self):
        """The program in a task: that which was loaded last, else the task's name."""
        first = inner(self.common["debug"]["images"])["first"]
        image = inner(first)
        if address(image) == 0:
            return self.name
        return text([int(image.dereference()["name"]["__0"][index]) for index in range(2)])


def text(words):
    raw = b"".join(struct.pack("<Q", word) for word in words)
    return raw.split(b"\0")[0].decode("ascii", "replace")


def objects():
    """All objects there are."""
    registry = inner_list(kernel()["debugger"]["registry"]["__0"])
    where = address(inner(registry["head"]))
    while where:
        header = at(where, HEADER)
        yield Object(header)
        where = address(inner(header["common"]["debug"]["links"]["next"]))


def inner_list(lock):
    """The list behind a lock: cells that are around it, and no further."""
    value = lock
    while "head" not in [field.name for field in value.type.fields()]:
        names = [field.name for field in value.type.fields()]
        value = value[next(n for n in ("data", "value", "inner", "__0") if n in names)]
    return value


def of_kind(kind):
    return [each for each in objects() if each.kind == kind]


def find(kind, argument):
    """The object with this number or name."""
    for each in of_kind(kind):
        if argument and argument.lstrip("#") in (str(each.number), each.name):
            return each
    raise Problem("There is no %s `%s`." % (kind.lower(), argument))


class Thread:
    def __init__(self, about):
        self.about = about
        self.value = about.value()
        homed = self.value["state"]
        # Above the CPU is the thread's standing.
        self.home = number(homed["word"]) & 0xffff
        self.state = homed["value"]["value"]

    def field(self, name):
        return self.state[name]["value"]["value"]

    def task(self):
        """The task that it is bound to."""
        where = address(inner(self.value["task"]["object"]))
        return Object(at(where, HEADER)) if where else None

    def doing(self):
        life = plain(self.field("life"))
        if life != "Alive":
            return life.lower()
        waiting = plain(self.field("waiting"))
        purpose = plain(self.field("purpose")).split("(")[0]
        what = "ready or runs" if waiting == "Nothing" else waiting
        if purpose != "Syscall":
            what = "%s: %s" % (purpose, what)
        return what

    def frame(self):
        return self.state["context"]["frame"]

    def registers(self):
        frame = self.frame()
        for field in frame.type.fields():
            value = frame[field.name]
            if field.name == "x":
                for index in range(31):
                    yield "x%d" % index, number(value[index])
            elif field.name not in ("reserved", "continuation"):
                yield field.name, number(value)

    def callers(self):
        """Return addresses along the frame pointers, the instruction pointer first."""
        registers = dict(self.registers())
        arm = "pc" in registers
        yield registers["pc"] if arm else registers["rip"]
        where = registers["x29"] if arm else registers["rbp"]
        task = self.task()
        if task is None:
            return
        space = Space(task)
        for _ in range(MAX_CALLERS):
            if where == 0 or where % WORD:
                return
            above, caller = space.read(where), space.read(where + WORD)
            if not caller:
                return
            yield caller
            if above is None or above <= where:
                return
            where = above


class Space:
    """The memory of a task, through its page table."""

    def __init__(self, task):
        pointer = inner(task.value()["memory"]["space"])
        table = pointer.dereference()["table"]
        form = table["format"]
        names = [field.name for field in form.type.fields()]
        self.root = address(table["root"])
        self.mask = number(table["root_mask"])
        window = table["window"]
        self.origin = address(window["origin"])
        if "root_level" in names:
            self.level = int(form["root_level"])
        else:
            # Up to 16 root tables stand side by side (aarch64).
            self.level = 2 if int(form["address_bits"]) <= 43 else 3

    def read(self, where):
        """The word at an address of the task, if a page is there."""
        level, order = self.level, 12 + PAGE_LEVEL_BITS * self.level
        table, index = self.root, (where >> order) & self.mask
        while True:
            entry = address(at(table + index * WORD, "u64"))
            memory = entry & 0x000F_FFFF_FFFF_F000
            if entry & 1 == 0:
                return None
            if level == 0 or is_leaf(entry):
                page = memory & ~((1 << order) - 1) & 0x0000_FFFF_FFFF_FFFF
                return read_physical(page + (where & ((1 << order) - 1)))
            table = (self.origin + (memory & 0x0000_FFFF_FFFF_F000)) & U64
            level, order = level - 1, order - PAGE_LEVEL_BITS
            index = (where >> order) & ((1 << PAGE_LEVEL_BITS) - 1)


def is_leaf(entry):
    """Whether an entry above the lowest level is a page."""
    return entry & 2 == 0 if is_aarch64() else entry & 0x80 != 0


# Commands.


class Brio(gdb.Command):
    """Looks at Brio's kernel. `help brio` lists what there is."""

    def __init__(self):
        super().__init__("brio", gdb.COMMAND_STATUS, prefix=True)


Brio()


def command(name):
    """Makes a function the command `brio NAME`."""

    def make(function):
        class Command(gdb.Command):
            __doc__ = function.__doc__

            def __init__(self):
                super().__init__("brio " + name, gdb.COMMAND_STATUS)

            def invoke(self, argument, _from_tty):
                with KernelMemory():
                    function(argument.strip())

        Command()
        return function

    return make


@command("cpus")
def cpus(_argument):
    """Which thread each CPU runs."""
    selected = gdb.selected_thread()
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda one: one.num):
        thread.switch()
        try:
            local = cpu()
            current = inner(local["local"]["current"])
            who = "idle"
            if address(current):
                who = "thread #%d" % int(current.dereference()["id"])
            print("CPU %d: %s" % (int(local["block"]["id"]), who))
        except Problem as problem:
            print("gdb's thread %d: %s" % (thread.num, problem))
    selected.switch()


@command("threads")
def threads(_argument):
    """All threads: CPU, priority, task, and what each waits for."""
    print("%6s %-16s %-20s cpu prio  what it does" % ("#", "thread", "task"))
    for about in of_kind("Thread"):
        thread = Thread(about)
        task = thread.task()
        print(
            "%6d %-16s %-20s %3d %4d  %s"
            % (
                about.number,
                about.name,
                task.label() if task else "-",
                thread.home,
                int(thread.field("priority")),
                thread.doing(),
            )
        )


@command("thread")
def one_thread(argument):
    """brio thread NUMBER|NAME: its registers in user mode, and who called whom."""
    thread = Thread(find("Thread", argument))
    print("thread %s: %s" % (thread.about.label(), thread.doing()))
    line = ""
    for index, (name, value) in enumerate(thread.registers()):
        line += "  %13s %016x" % (name, value)
        if index % 3 == 2:
            print(line)
            line = ""
    if line:
        print(line)
    callers = list(thread.callers())
    task = thread.task()
    program = task.program() if task else ""
    print("backtrace %s %s" % (program, " ".join("%#x" % caller for caller in callers)))
    explain(program, callers)


def explain(program, callers):
    """Functions and lines, if the program was built here."""
    file = os.path.join(FOLDER, program)
    if not program or not os.path.exists(file):
        return
    gdb.execute("symbol-file " + file, to_string=True)
    for index, caller in enumerate(callers):
        # All but the innermost are behind a call.
        probe = caller - 1 if index else caller
        place = gdb.find_pc_line(probe)
        function = gdb.execute("info symbol %#x" % probe, to_string=True)
        where = " at %s:%d" % (place.symtab.filename, place.line) if place.symtab else ""
        print("    %#x %s%s" % (caller, function.split(" in section")[0].strip(), where))
    gdb.execute("symbol-file " + KERNEL, to_string=True)


@command("tasks")
def tasks(_argument):
    """All tasks, and how many threads are in each."""
    print("%6s %-16s %-16s threads" % ("#", "task", "program"))
    bound = [Thread(about).task() for about in of_kind("Thread")]
    bound = [task.number for task in bound if task]
    for about in of_kind("Task"):
        count = bound.count(about.number)
        print("%6d %-16s %-16s %7d" % (about.number, about.name, about.program(), count))


@command("caps")
def capabilities(argument):
    """brio caps NUMBER|NAME: the capabilities of a task."""
    task = find("Task", argument)
    space = task.value()["capabilities"]
    # Where there is no memory, all spaces share the same pages of nothing.
    nothing = space["nothing"]
    no_page = inner(nothing.dereference()[0])
    print("capabilities of task %s" % task.label())
    pages = inner(space["pages"])
    if address(pages) == address(nothing):
        return
    directory = pages.dereference()
    for page_index in range(directory.type.range()[1] + 1):
        page = inner(directory[page_index])
        if address(page) == address(no_page):
            continue
        slots = page.dereference()
        for index in range(slots.type.range()[1] + 1):
            word = number(slots[index]["object"]["word"])
            if word == 0:
                continue
            where = word >> 8
            # Addresses of the upper half get their ones back.
            where |= 0xFF << 56 if where >> 55 else 0
            target = Object(at(where, HEADER))
            slot = page_index * (slots.type.range()[1] + 1) + index
            print("  %5x rights %02x  %-10s %s" % (slot, word & 0xFF, target.kind, target.label()))

