include "runtime/schema/Container.h"
