#include "compiler/Layout/Value.h"
